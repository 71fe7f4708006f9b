from __future__ import annotations

import pytest

from hubslice.card import formats
from hubslice.core.rate import Estimate, Rate


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.8431, "84.3 %"), (0, "0.0 %"), (1, "100.0 %"), (0.0001, "<0.1 %"), (0.99999, ">99.9 %"), (-0.012, "−1.2 %")],
)
def test_percent(share: float, words: str) -> None:
    assert formats.percent(share) == words


def test_rate_is_written_with_interval_and_n() -> None:
    assert formats.rate(Rate(hits=205, total=243)) == "84.4 % [79.3, 88.4], n = 243"


@pytest.mark.parametrize("nothing", [None, Rate(hits=0, total=0)])
def test_what_was_not_measured_says_so(nothing: Rate | None) -> None:
    assert formats.rate(nothing) == "not measured"


def test_differences_are_points_and_never_minus_zero() -> None:
    assert formats.points(Estimate(value=0.1, low=-0.0001, high=0.2, n=9)) == "10.0 points [0.0, 20.0]"


def test_a_fence_is_longer_than_any_fence_inside() -> None:
    shown = formats.fenced("a\n````\nb", "yaml")
    assert shown == "`````yaml\na\n````\nb\n`````"


@pytest.mark.parametrize(
    ("reference", "shown"), [("https://a.org/x", "<https://a.org/x>"), ("Gu et al. <2017>", r"Gu et al. \<2017\>")]
)
def test_link(reference: str, shown: str) -> None:
    assert formats.link(reference) == shown

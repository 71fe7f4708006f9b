import json

import pytest

from hubslice.core.rate import Rate

# Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I,
# score method without continuity correction: four digits.
PUBLISHED = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]
# The textbook formula in 50-digit arithmetic.
EXACT = [
    (0, 10, 0.0, 0.277532799862889),
    (10, 10, 0.722467200137111, 1.0),
    (0, 200, 0.0, 0.018845326377267),
    (1, 1, 0.206549314377237, 1.0),
    (5, 10, 0.236593090512564, 0.763406909487436),
    (1, 10, 0.017876213095073, 0.404150026795238),
    (81, 263, 0.255288519878274, 0.3662095769828),
]


@pytest.mark.parametrize(("hits", "total", "low", "high"), PUBLISHED)
def test_wilson_interval_has_the_published_ends(hits: int, total: int, low: float, high: float) -> None:
    assert Rate(hits=hits, total=total).interval == pytest.approx((low, high), abs=5.1e-5)


@pytest.mark.parametrize(("hits", "total", "low", "high"), EXACT)
def test_wilson_interval_has_the_exact_ends(hits: int, total: int, low: float, high: float) -> None:
    assert Rate(hits=hits, total=total).interval == pytest.approx((low, high), abs=1e-12)


def test_nothing_measured_has_no_value() -> None:
    rate = Rate(hits=0, total=0)
    assert rate.value is None
    assert rate.interval is None


@pytest.mark.parametrize("rate", [Rate(hits=3, total=7), Rate(hits=0, total=0)])
def test_json_shows_value_and_interval_and_reads_back(rate: Rate) -> None:
    text = rate.model_dump_json()
    assert {"hits", "total", "value", "interval"} == json.loads(text).keys()
    assert Rate.model_validate_json(text) == rate


@pytest.mark.parametrize("total", range(1, 400))
def test_no_hits_and_hits_alone_have_an_end_of_their_own(total: int) -> None:
    none, all_ = Rate(hits=0, total=total).interval, Rate(hits=total, total=total).interval
    assert none is not None
    assert all_ is not None
    assert (none[0], all_[1]) == (0.0, 1.0)
    assert 0 < none[1] < 1
    assert 0 < all_[0] < 1

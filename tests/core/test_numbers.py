from __future__ import annotations

import math

import pytest

from hubslice.core.numbers import amount, number, rounded, signed, size_in_words
from hubslice.verbs.explain.facts import force_words


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (99.96, "100"),
        (1834.2, "1,834"),
        (1e6, "1,000,000"),
        (44.71, "44.7"),
        (0.5, "0.5"),
        (0.27183, "0.272"),
        (0.0042, "0.0042"),
        (0.0001, "0.0001"),
        (0.00001234, "1.23e-5"),
        (-12.5, "-12.5"),
        (float("nan"), "not a number"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_are_written_as_people_do(value: float, told: str) -> None:
    assert number(value) == told


def test_a_program_gets_thousands_without_commas() -> None:
    assert number(1834.2, grouped=False) == "1834"


@pytest.mark.parametrize("force", [9.96, 99.6, 99.97, 100.4, 12345.6, 0.27, -99.7, 1e-3])
def test_forces_have_a_sign_and_no_exponent(force: float) -> None:
    told = force_words(force)
    assert told[0] in "+-"
    assert "e" not in told
    assert math.isclose(float(told.replace(",", "")), force, rel_tol=0.05)


def test_a_rounded_number_keeps_what_stands_before_the_point() -> None:
    assert [rounded(value) for value in (1834.2, 44.71, 0.27183, 0.0, 1e-5)] == [1834, 44.7, 0.272, 0, 1e-5]
    assert signed(1834.2) == "+1,834"


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (3 << 19, "1.5 MiB"), (5 << 40, "5,120.0 GiB")],
)
def test_sizes_have_a_unit(size: int, told: str) -> None:
    assert size_in_words(size) == told


def test_amounts_have_their_plural() -> None:
    assert [amount(count, "model") for count in (0, 1, 2, 1200)] == ["0 models", "1 model", "2 models", "1,200 models"]

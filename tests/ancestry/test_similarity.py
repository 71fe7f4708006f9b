"""Likeness against a slow, obvious reference, and what it must not be fooled by."""

from __future__ import annotations

import numpy as np
import pytest

from hubslice.ancestry.layers import numbers
from hubslice.ancestry.similarity import greedy, likeness, partners, standardised


def noise(seed: int, rows: int = 32, columns: int = 90) -> np.ndarray:
    found: np.ndarray = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return found


def slow(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    found = np.zeros(values.shape)
    good = np.zeros(values.shape, bool)
    for row in range(len(values)):
        held = [column for column in range(values.shape[1]) if known[row, column]]
        if len(held) < 3:
            continue
        numbers = [float(values[row, column]) for column in held]
        mean = sum(numbers) / len(numbers)
        spread = (sum((number - mean) ** 2 for number in numbers) / len(numbers)) ** 0.5
        for column, number in zip(held, numbers, strict=True):
            found[row, column] = (number - mean) / spread
            good[row, column] = True
    for column in range(values.shape[1]):
        held = [row for row in range(len(values)) if good[row, column]]
        mean = sum(found[row, column] for row in held) / max(len(held), 1)
        for row in held:
            found[row, column] -= mean
    return found


def test_rows_and_columns_as_by_hand() -> None:
    values = noise(0, 9, 12) * 3 + 1
    known = np.random.default_rng(1).random(values.shape) < 0.6
    known[4] = False
    np.testing.assert_allclose(standardised(values, known), slow(values, known), atol=1e-5)


def test_strangers_are_as_alike_as_chance_has_it() -> None:
    found = [likeness(noise(seed), noise(seed + 100)) for seed in range(60)]
    spread = np.std([like.correlation for like in found])
    assert abs(np.mean([like.correlation for like in found])) < 0.01
    assert spread == pytest.approx(1 / np.sqrt(32 * 90), rel=0.35)
    assert np.mean([like.null for like in found]) == pytest.approx(spread, rel=0.35)


@pytest.mark.parametrize(
    "shared",
    [
        lambda seed: noise(7, 1, 90) * 5 + noise(seed),  # one pattern in all rows
        lambda seed: noise(7, 32, 1) * 5 + noise(seed),  # a level for each row
        lambda seed: noise(seed) * np.exp(noise(7, 32, 1)),  # a scale for each row
    ],
)
def test_what_strangers_may_share(shared: object) -> None:
    found = likeness(shared(1), shared(2))  # type: ignore[operator]
    assert abs(found.correlation) < 5 * found.null


def test_scales_shifts_and_zeros_hide_nothing() -> None:
    parent = noise(0)
    child = parent * np.exp(noise(1, 32, 1)) + noise(2, 32, 1)
    child[np.random.default_rng(3).random(child.shape) < 0.9] = 0
    found = likeness(child.astype(np.float32), parent)
    assert found.correlation > 0.9
    assert found.positions < 320


def test_layers_of_one_shape_find_their_partners() -> None:
    theirs = [noise(seed) for seed in range(8)]
    mine = [theirs[at] + 0.8 * noise(50 + at) for at in (5, 2, 7)]
    found = {at: (to, like.correlation) for at, to, like in partners(mine, theirs)}
    assert {at: to for at, (to, _) in found.items()} == {0: 5, 1: 2, 2: 7}
    assert all(correlation > 0.6 for _, correlation in found.values())


def test_choosing_the_best_of_many_does_not_flatter_strangers() -> None:
    found = [
        like
        for seed in range(6)
        for _, _, like in partners([noise(seed, 8, 20)], [noise(s, 8, 20) for s in range(100, 160)])
    ]
    assert abs(np.mean([like.correlation for like in found])) < 0.15  # the best of 60 by all columns reach 0.25


def test_the_largest_cells_come_first() -> None:
    table = np.array([[0.9, 0.8, 0.1], [0.95, 0.2, 0.3]])
    assert list(greedy(table)) == [(1, 0), (0, 1)]


def test_numbers_of_every_type() -> None:
    values = np.array([0.5, -2.0, 3.0], np.float32)
    assert numbers(values.astype(np.float16).tobytes(), "F16").tolist() == [0.5, -2, 3]
    assert numbers((values.view(np.uint32) >> 16).astype("<u2").tobytes(), "BF16").tolist() == [0.5, -2, 3]
    assert numbers(np.array([-3, 7], np.int8).tobytes(), "I8").tolist() == [-3, 7]
    assert numbers(np.array([np.nan, np.inf, 1.0]).tobytes(), "F64").tolist() == [0, 0, 1]

"""Splitting by group: nothing straddles, proportions hold, the seed decides."""

from __future__ import annotations

import numpy as np
import pytest

from hubslice.data.split import group_split

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


def table(seed: int, rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, rows // 2, rows)
    return rng.integers(0, 5, rows)[groups % 5 * 0 + np.arange(rows)], groups


@pytest.mark.parametrize("seed", range(4))
def test_every_row_is_dealt_once_and_no_group_straddles(seed: int) -> None:
    targets, groups = table(seed)
    splits = group_split(targets, groups, SHARES, seed)
    assert sorted(np.concatenate(list(splits.values()))) == list(range(len(targets)))
    seen = [set(groups[rows]) for rows in splits.values()]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]


def test_proportions_hold_within_each_class() -> None:
    targets = np.repeat(np.arange(4), [400, 200, 100, 40])
    splits = group_split(targets, np.arange(len(targets)), SHARES, 0)
    for label, count in enumerate([400, 200, 100, 40]):
        for name, share in SHARES.items():
            assert abs((targets[splits[name]] == label).sum() - share * count) <= 1


def test_shares_below_one_leave_rows_out() -> None:
    targets = np.zeros(100, dtype=np.int64)
    splits = group_split(targets, np.arange(100), {"train": 0.5, "validation": 0.1, "test": 0.1}, 0)
    assert [len(rows) for rows in splits.values()] == [50, 10, 10]


def test_the_seed_decides() -> None:
    targets, groups = table(0)
    first, again, other = (group_split(targets, groups, SHARES, seed)["test"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_huge_group_goes_whole_to_the_largest_share() -> None:
    groups = np.where(np.arange(100) < 50, 0, np.arange(100))
    splits = group_split(np.zeros(100, dtype=np.int64), groups, SHARES, 0)
    assert set(range(50)) <= set(splits["train"].tolist())

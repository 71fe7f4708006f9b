"""Splitting by group: nothing straddles, proportions hold, the seed decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubslice.task.split import group_split

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


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, dict[str, float], int]:
    """Targets, groups, shares and a seed."""
    rows = draw(st.integers(0, 60))
    targets = draw(st.lists(st.integers(0, draw(st.integers(0, 5))), min_size=rows, max_size=rows))
    groups = draw(st.lists(st.integers(0, draw(st.integers(0, 60))), min_size=rows, max_size=rows))
    parts = np.array(draw(st.tuples(*[st.integers(1, 9)] * 3, st.integers(0, 9))), dtype=np.float64)
    shares = dict(zip(SHARES, (parts / parts.sum()).tolist(), strict=False))
    return np.array(targets, dtype=np.int64), np.array(groups, dtype=np.int64), shares, draw(st.integers(0, 9))


@given(tables())
def test_whatever_the_table_groups_stay_whole_and_shares_hold(
    drawn: tuple[np.ndarray, np.ndarray, dict[str, float], int],
) -> None:
    targets, groups, shares, seed = drawn
    splits = group_split(targets, groups, shares, seed)
    assert list(splits) == list(shares)
    dealt = np.concatenate(list(splits.values()))
    assert len(set(dealt.tolist())) == len(dealt), "no row is dealt twice"
    assert all((np.diff(rows) > 0).all() for rows in splits.values())
    sizes = np.bincount(groups) if len(groups) else np.zeros(1, dtype=np.int64)
    for rows in splits.values():
        for group in np.unique(groups[rows]):
            assert (groups[rows] == group).sum() == sizes[group], "a group is dealt whole"
    if sum(shares.values()) > 1 - 1e-9:
        assert len(dealt) == len(targets)
    # Groups are dealt within their most frequent class; each class may miss a share by one of its groups.
    slack = len(np.unique(targets)) * int(sizes.max()) + 1e-6
    for name, share in shares.items():
        assert len(splits[name]) <= share * len(targets) + slack
        assert len(splits[name]) >= share * len(targets) - 3 * slack
    again = group_split(targets, groups, shares, seed)
    assert all(np.array_equal(splits[name], again[name]) for name in shares)

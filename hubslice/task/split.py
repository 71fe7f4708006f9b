"""Split a table into train, validation and test without dividing groups."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def group_split(
    targets: np.ndarray, groups: np.ndarray, shares: Mapping[str, float], seed: int
) -> dict[str, np.ndarray]:
    """Return the row numbers of each split, int64, ascending; class proportions are kept as far as groups allow.

    Groups are shuffled within their most frequent class and assigned whole, each to the split that lacks most of its
    share of that class. Rows beyond the sum of shares are not assigned.

    Args:
        targets: class of every row [rows].
        groups: group number of every row [rows].
        shares: fraction of the rows by split name; they sum to at most 1.
        seed: determines the order in which groups are assigned.
    """
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(order) else []
    by_class: dict[int, list[np.ndarray]] = {}
    for rows in members:
        by_class.setdefault(int(np.bincount(targets[rows]).argmax()), []).append(rows)

    rng = np.random.default_rng(seed)
    leftover = max(0.0, 1 - sum(shares.values()))
    names = [*shares, ""]  # "" receives the rows that belong to no split
    dealt: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for _, same_class in sorted(by_class.items()):
        shuffled = [same_class[i] for i in rng.permutation(len(same_class))]
        shuffled.sort(key=len, reverse=True)  # stable; large groups go first, while splits have space for them
        total = sum(len(rows) for rows in shuffled)
        lacking = {name: share * total for name, share in [*shares.items(), ("", leftover)]}
        for rows in shuffled:
            name = max(names, key=lambda n: lacking[n])
            dealt[name].append(rows)
            lacking[name] -= len(rows)
    empty = np.empty(0, dtype=np.int64)
    return {name: np.sort(np.concatenate([empty, *dealt[name]])) for name in shares}

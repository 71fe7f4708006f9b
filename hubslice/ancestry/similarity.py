"""Measure the similarity of weight matrices at equal positions, and pair the layers of two models.

The measure is the correlation of values after each row was centred and scaled and each column centred. So neither the
scale of a row (folded normalisation, scales of integers) nor a pattern common to all rows (the bump of a kernel, the
mean of an embedding) makes unrelated models similar. Zeros count as missing: slicing or regrown weights hide nothing
else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_FEWEST_IN_ROW: Final = 3
_SHIFTS: Final = 16  # of rows against each other, for the null distribution
_MOST: Final = 1024  # maximum number of layers of one shape that are compared pairwise
_SEED: Final = 20  # of the columns that choose pairs; the others give the score


@dataclass(frozen=True)
class Likeness:
    """The correlation at `positions` positions, and its standard deviation for wrongly paired rows."""

    correlation: float
    null: float
    positions: int


def standardised(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return rows centred with unit variance, and columns centred, over the positions `known`; 0 elsewhere.

    float32 [R, C].
    """
    counts = known.sum(1, keepdims=True)
    scaled = np.where(known, values, 0)
    scaled = np.where(known, scaled - scaled.sum(1, keepdims=True) / np.maximum(counts, 1), 0)
    spread = np.sqrt((scaled**2).sum(1, keepdims=True) / np.maximum(counts, 1))
    good = (counts >= _FEWEST_IN_ROW) & (spread > 1e-6 * np.abs(values).max(initial=0))
    scaled = np.where(known & good, scaled / np.where(good, spread, 1), 0)
    heights = np.maximum((known & good).sum(0, keepdims=True), 1)
    centred: np.ndarray = np.where(known & good, scaled - scaled.sum(0, keepdims=True) / heights, 0)
    return centred.astype(np.float32)


def likeness(first: np.ndarray, second: np.ndarray, columns: np.ndarray | None = None) -> Likeness:
    """Return the similarity of two samples [R, C] of the same positions, using some of the columns, by default all."""
    known = (first != 0) & (second != 0)
    left, right = standardised(first, known), standardised(second, known)
    if columns is not None:
        left, right = left[:, columns], right[:, columns]
    positions = int(((left != 0) & (right != 0)).sum())
    rows = len(left)
    steps = np.unique(np.linspace(1, rows - 1, min(_SHIFTS, rows - 1)).astype(int)) if rows > 1 else ()
    wrong = [correlation(left, np.roll(right, int(step), 0)) for step in steps]
    chance = 1 / np.sqrt(max(positions, 1))
    measured = float(np.sqrt(np.mean(np.square(wrong)))) if len(wrong) > 2 else 0.0
    return Likeness(correlation(left, right), max(float(chance), measured), positions)


def correlation(left: np.ndarray, right: np.ndarray) -> float:
    """Return the correlation of two standardised samples; 0 if one of them is empty."""
    size = float(np.sqrt((left**2).sum(dtype=np.float64) * (right**2).sum(dtype=np.float64)))
    return float((left * right).sum(dtype=np.float64) / size) if size > 0 else 0.0


def halves(columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the columns into those that choose pairs and those that score, so that the choice does not bias it."""
    order = np.random.default_rng(_SEED).permutation(columns)
    return np.sort(order[: columns // 2]), np.sort(order[columns // 2 :])


def partners(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> list[tuple[int, int, Likeness]]:
    """Pair layers of one shape, the most similar first, each layer once; returns pairs with their similarity.

    If there is a choice, half of the columns choose and the others give the score. Of very many layers, such as those
    of experts, each is compared with those at a similar depth of the other model.
    """
    parts = -(-max(len(first), len(second)) // _MOST)
    if parts > 1:
        found = []
        for part in range(parts):
            here, there = ((part * len(each) // parts, (part + 1) * len(each) // parts) for each in (first, second))
            if here[0] < here[1] and there[0] < there[1]:
                pairs = partners(first[slice(*here)], second[slice(*there)])
                found += [(here[0] + at, there[0] + to, like) for at, to, like in pairs]
        return found
    if len(first) == len(second) == 1:
        return [(0, 0, likeness(first[0], second[0]))]
    choosing, judging = halves(first[0].shape[1])
    chosen = greedy(_unit(first, choosing) @ _unit(second, choosing).T)
    return [(at, to, likeness(first[at], second[to], judging)) for at, to in chosen]


def greedy(table: np.ndarray) -> Iterable[tuple[int, int]]:
    """Yield cells of a table, the largest first, without repeating a row or column."""
    rows: set[int] = set()
    columns: set[int] = set()
    for cell in np.argsort(-table, axis=None, kind="stable"):
        row, column = divmod(int(cell), table.shape[1])
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            yield row, column
        if len(rows) == table.shape[0] or len(columns) == table.shape[1]:
            return


def _unit(samples: Sequence[np.ndarray], columns: np.ndarray) -> np.ndarray:
    flat = np.stack([standardised(sample, sample != 0)[:, columns].ravel() for sample in samples])
    sizes = np.linalg.norm(flat, axis=1, keepdims=True)
    unit: np.ndarray = flat / np.where(sizes > 0, sizes, 1)
    return unit

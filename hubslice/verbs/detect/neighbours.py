"""Whose slices are like this one: distances to the nearest clean slices of the same answer and of other answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAREST = 5  # the distance to the fifth nearest is steadier than to the nearest
CHUNK = 256
TINY = 1e-6


@dataclass(frozen=True)
class Neighbours:
    """Clean vectors, standardised, float32 [M, F], and the model's answer to each, int64 [M]."""

    vectors: np.ndarray
    answers: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, answers: np.ndarray) -> Neighbours:
        """Learn from vectors [M, F]; columns that never change say nothing and are left at zero."""
        centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = vectors.std(axis=0, dtype=np.float64)
        scale = np.where(spread > TINY, 1 / np.maximum(spread, TINY), 0).astype(np.float32)
        return cls((vectors - centre) * scale, answers.astype(np.int64), centre, scale)

    def oddness(self, vectors: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """How much farther the clean slices of the same answer are than those of all others, float64 [N].

        The logarithm of the ratio of the two distances to the `NEAREST`th nearest: above 0, the input decides like
        inputs that get another answer. A ratio, since slices of all inputs spread: far from its own class lies an odd
        shirt, too, but not nearer to coats.
        """
        found = np.empty(len(vectors))
        own = {int(label): self.answers == label for label in np.unique(self.answers)}
        squares = (self.vectors**2).sum(axis=1)
        for start in range(0, len(vectors), CHUNK):
            part = (vectors[start : start + CHUNK] - self.centre) * self.scale
            apart = np.maximum((part**2).sum(axis=1)[:, None] - 2 * part @ self.vectors.T + squares, 0)
            for at, row in enumerate(apart):
                same = own[int(answers[start + at])]
                found[start + at] = np.log((_nearest(row[same]) + TINY) / (_nearest(row[~same]) + TINY)) / 2
        return found


def _nearest(distances: np.ndarray) -> float:
    place = min(NEAREST, len(distances)) - 1
    return float(np.partition(distances, place)[place])

"""Distances of a slice to the nearest clean slices with the same prediction and with other predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAREST = 5  # the distance to the fifth nearest is more stable than to the nearest
CHUNK = 256
TINY = 1e-6


@dataclass(frozen=True)
class Neighbours:
    """Clean vectors, standardised, float32 [M, F], and the model's prediction for each, int64 [M]."""

    vectors: np.ndarray
    answers: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, answers: np.ndarray) -> Neighbours:
        """Fit to vectors [M, F]; constant columns carry no information and are set to zero."""
        centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = vectors.std(axis=0, dtype=np.float64)
        scale = np.where(spread > TINY, 1 / np.maximum(spread, TINY), 0).astype(np.float32)
        return cls((vectors - centre) * scale, answers.astype(np.int64), centre, scale)

    def oddness(self, vectors: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return how much farther the clean slices with the same prediction are than all others, float64 [N].

        The logarithm of the ratio of the two distances to the `NEAREST`th nearest: above 0, the input decides like
        inputs with another prediction. A ratio is used because slices of all inputs spread: an unusual shirt is also
        far from its own class, but not closer to coats.
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

"""Both models' answers to one input, and the measures that a search computes from their probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

APART = 0.5  # squared distance from which joint probabilities count as new (TensorFuzz's coverage)


@dataclass(frozen=True)
class Answers:
    """Log probabilities of the classes by both models, float64 [classes]."""

    a: np.ndarray
    b: np.ndarray

    @property
    def labels(self) -> tuple[int, int]:
        """The predicted classes."""
        return int(self.a.argmax()), int(self.b.argmax())

    @property
    def differ(self) -> bool:
        """Whether they predict different classes."""
        return self.labels[0] != self.labels[1]

    @property
    def joint(self) -> np.ndarray:
        """Both models' probabilities, concatenated: float64 [2 x classes]."""
        found: np.ndarray = np.exp(np.concatenate([self.a, self.b]))
        return found

    @property
    def difference(self) -> float:
        """The difference of the probabilities that both assign to the first model's prediction."""
        one = self.labels[0]
        return abs(float(np.exp(self.a[one]) - np.exp(self.b[one])))

    @property
    def gap(self) -> float:
        """The smaller of the margins by which each model prefers its own prediction to the other's; 0 if they agree."""
        one, two = self.labels
        a, b = np.exp(self.a), np.exp(self.b)
        return float(min(a[one] - a[two], b[two] - b[one]))

    @property
    def margin(self) -> float:
        """How close they are to deviating, in log-odds.

        If they agree, minus the smaller margin between the two largest probabilities: it is large where the models
        differ and where one is close to another prediction, since min(x, y) = (x + y - |x - y|) / 2. If they deviate,
        the smaller preference for the own prediction.
        """
        one, two = self.labels
        if one != two:
            return float(min(self.a[one] - self.a[two], self.b[two] - self.b[one]))
        return -min(_lead(self.a), _lead(self.b))


class Seen:
    """Joint probabilities that a search has met, each at a minimum distance from all before it."""

    def __init__(self, first: np.ndarray) -> None:
        self.vectors = [first]

    def is_new(self, vector: np.ndarray) -> bool:
        """Return whether it is far from all others; then it is stored."""
        new = bool((((np.stack(self.vectors) - vector) ** 2).sum(axis=1) > APART).all())
        if new:
            self.vectors.append(vector)
        return new


def _lead(values: np.ndarray) -> float:
    """Return by how much the largest value exceeds the second."""
    second, first = np.partition(values, -2)[-2:]
    return float(first - second)

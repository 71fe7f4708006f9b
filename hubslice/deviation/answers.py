"""Both models' answers to one input, and what a search reads from them: probabilities, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

APART = 0.5  # squared distance of joint probabilities from which on they are new (TensorFuzz's coverage)


@dataclass(frozen=True)
class Answers:
    """Logarithms of the probabilities that both models give the classes, float64 [classes]."""

    a: np.ndarray
    b: np.ndarray

    @property
    def labels(self) -> tuple[int, int]:
        """The classes that they answer."""
        return int(self.a.argmax()), int(self.b.argmax())

    @property
    def differ(self) -> bool:
        """Whether they answer different classes."""
        return self.labels[0] != self.labels[1]

    @property
    def joint(self) -> np.ndarray:
        """Both models' probabilities, one after the other: float64 [2 x classes]."""
        found: np.ndarray = np.exp(np.concatenate([self.a, self.b]))
        return found

    @property
    def difference(self) -> float:
        """By how much the probabilities differ that both give the first model's answer."""
        one = self.labels[0]
        return abs(float(np.exp(self.a[one]) - np.exp(self.b[one])))

    @property
    def gap(self) -> float:
        """By how much probability each prefers its own answer to the other's, at the least; 0 where they agree."""
        one, two = self.labels
        a, b = np.exp(self.a), np.exp(self.b)
        return float(min(a[one] - a[two], b[two] - b[one]))

    @property
    def margin(self) -> float:
        """How near they are to deviating, in log-odds.

        Where they agree, minus the smaller margin between the two largest probabilities: it is large where the models
        differ and where one is close to another answer, since min(x, y) = (x + y - |x - y|) / 2. Where they deviate,
        the smaller preference of the own answer.
        """
        one, two = self.labels
        if one != two:
            return float(min(self.a[one] - self.a[two], self.b[two] - self.b[one]))
        return -min(_lead(self.a), _lead(self.b))


class Seen:
    """Joint probabilities that a search has met, each apart from all before it."""

    def __init__(self, first: np.ndarray) -> None:
        self.vectors = [first]

    def is_new(self, vector: np.ndarray) -> bool:
        """Whether it is apart from all; then it is kept."""
        new = bool((((np.stack(self.vectors) - vector) ** 2).sum(axis=1) > APART).all())
        if new:
            self.vectors.append(vector)
        return new


def _lead(values: np.ndarray) -> float:
    """By how much the largest exceeds the second."""
    second, first = np.partition(values, -2)[-2:]
    return float(first - second)

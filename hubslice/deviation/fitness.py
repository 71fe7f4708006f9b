"""Decide which mutants a search continues from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from hubslice.deviation.answers import Answers, Seen

# The resolution of float32 probabilities and logits; smaller differences may be rounding at another batch size.
LEAST = 1e-6
CHANGE = 1e-3  # minimum change of the probability difference, as in the authors' code

MEASURES: dict[str, Callable[[Answers], float]] = {
    "difference": lambda answers: answers.difference,
    "margin": lambda answers: answers.margin,
}


class Fitness(ABC):
    """Evaluates mutants, based on those before; a new instance starts at the seed."""

    @abstractmethod
    def accepts(self, answers: Answers) -> bool:
        """Return whether to continue from the mutant with these answers."""


class Rising(Fitness):
    """Accepts what raises the measure above that of the current input, or has probabilities unlike all before.

    After `patience` consecutive mutants without either, it accepts one unconditionally, so that a search can leave a
    local maximum; 0 means never.
    """

    def __init__(self, first: Answers, measure: str, novelty: bool, patience: int) -> None:
        self.measure = MEASURES[measure]
        self.best = self.measure(first)
        self.seen = Seen(first.joint) if novelty else None
        self.patience, self.refused = patience, 0

    def accepts(self, answers: Answers) -> bool:
        value = self.measure(answers)
        new = self.seen is not None and self.seen.is_new(answers.joint)
        self.refused += 1
        if value > self.best + LEAST or new or self.refused == self.patience:
            self.best, self.refused = value, 0
            return True
        return False


class Changing(Fitness):
    """As in the authors' code: accepts any change of the difference, including decreases, and what is new."""

    def __init__(self, first: Answers) -> None:
        self.last = 0.0
        self.seen = Seen(first.joint)

    def accepts(self, answers: Answers) -> bool:
        new = self.seen.is_new(answers.joint)
        if abs(answers.difference - self.last) > CHANGE or new:
            self.last = answers.difference
            return True
        return False


class Anything(Fitness):
    """Accepts everything."""

    def accepts(self, answers: Answers) -> bool:
        return True

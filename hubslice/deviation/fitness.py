"""Which mutants a search goes on from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from hubslice.deviation.answers import Answers, Seen

# Float32 probabilities, and logits, tell no less; what is nearer may be the rounding of another batch size.
LEAST = 1e-6
CHANGE = 1e-3  # of the probability difference, in the authors' code

MEASURES: dict[str, Callable[[Answers], float]] = {
    "difference": lambda answers: answers.difference,
    "margin": lambda answers: answers.margin,
}


class Fitness(ABC):
    """Judges mutants, knowing those before; a new one starts at the seed."""

    @abstractmethod
    def accepts(self, answers: Answers) -> bool:
        """Whether to go on from the mutant that got these answers."""


class Rising(Fitness):
    """Accepts what raises the measure above that of the present input, or has probabilities unlike all before.

    After `patience` mutants in a row that did neither it accepts one as it is, so that a search does not end on a hill
    that no operator leads down from; 0 is never.
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
    """As the authors' code: accepts any change of the difference, downwards too, and what is new."""

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
    """Accepts all."""

    def accepts(self, answers: Answers) -> bool:
        return True

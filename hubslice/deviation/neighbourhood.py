"""The inputs around a seed, and what a kind of input is to a search: all are arrays, told apart and kept in one way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import numpy as np

from hubslice.artefacts.deviation import Change, Edits
from hubslice.deviation.answers import Answers
from hubslice.deviation.evidence import WriteEvidence
from hubslice.recipe.deviation import SearchParams

SHRINKING = 150  # queries at the most, to bring a trigger nearer to its seed

Shrinking = Generator[np.ndarray, Answers, tuple[np.ndarray, Answers, int]]


class Neighbourhood(ABC):
    """A seed, and what may become of it."""

    @abstractmethod
    def mutant(
        self, name: str, rng: np.random.Generator, present: np.ndarray, *, released: bool = False
    ) -> np.ndarray | None:
        """What an operator makes of `present`, brought within the bounds; None where that cannot be.

        It may be `present` itself. `released` asks for the arithmetic of the authors' code.
        """

    @abstractmethod
    def mixed(self, rng: np.random.Generator, one: np.ndarray, other: Callable[[], np.ndarray]) -> np.ndarray:
        """A child of two mutants, the second of which may be drawn from the same generator."""

    @abstractmethod
    def shrink(self, trigger: np.ndarray, answers: Answers, deviates: Callable[[Answers], bool]) -> Shrinking:
        """A trigger nearer to the seed, its answers, and the queries that it took."""


@dataclass(frozen=True)
class InputKind:
    """Inputs of one kind: how they are called, changed, compared and shown.

    `titles` are those of its operators by name, `around` gives what is near a seed, `change` measures how far a trigger
    is from it, and `write` leaves the evidence.
    """

    one: str
    many: str
    titles: Mapping[str, str]
    around: Callable[[np.ndarray, SearchParams], Neighbourhood]
    change: Callable[[np.ndarray, np.ndarray], Change | Edits]
    write: WriteEvidence

    @property
    def operators(self) -> tuple[str, ...]:
        """Names of its operators."""
        return tuple(self.titles)

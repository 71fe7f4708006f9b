"""The neighbourhood of a seed, and the interface of an input kind to a search; all inputs are arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import numpy as np

from hubslice.artefacts.deviation import Change, Edits
from hubslice.deviation.answers import Answers
from hubslice.deviation.evidence import WriteEvidence
from hubslice.recipe.deviation import SearchParams

SHRINKING = 150  # maximum queries for reducing a trigger

Shrinking = Generator[np.ndarray, Answers, tuple[np.ndarray, Answers, int]]


class Neighbourhood(ABC):
    """A seed and its possible mutants."""

    @abstractmethod
    def mutant(
        self, name: str, rng: np.random.Generator, present: np.ndarray, *, released: bool = False
    ) -> np.ndarray | None:
        """Apply an operator to `present` and bring the result within the bounds; None if that is impossible.

        The result may be `present` itself. `released` selects the arithmetic of the authors' code.
        """

    @abstractmethod
    def mixed(self, rng: np.random.Generator, one: np.ndarray, other: Callable[[], np.ndarray]) -> np.ndarray:
        """Return a child of two mutants, the second of which may be drawn from the same generator."""

    @abstractmethod
    def shrink(self, trigger: np.ndarray, answers: Answers, deviates: Callable[[Answers], bool]) -> Shrinking:
        """Return a trigger closer to the seed, its answers, and the number of queries."""


@dataclass(frozen=True)
class InputKind:
    """Inputs of one kind: how they are named, changed, compared and shown.

    `titles` are those of its operators by name, `around` returns the neighbourhood of a seed, `change` measures how far
    a trigger is from it, and `write` writes the evidence.
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

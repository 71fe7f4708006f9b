"""Choose the operator of the next mutant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

NEVER_ZERO = 1e-7


@dataclass
class Tally:
    """The number of an operator's mutants that were evaluated, and that were accepted or deviated."""

    sent: int = 0
    accepted: int = 0


class Choice(ABC):
    """Chooses operators for one seed, with the seed's generator."""

    def __init__(self, rng: np.random.Generator, names: tuple[str, ...]) -> None:
        self.rng = rng
        self.names = names
        self.tallies = {name: Tally() for name in names}
        self.last: str | None = None  # the operator of the last accepted mutant

    @abstractmethod
    def weights(self) -> Mapping[str, float]:
        """Return the unnormalised probability of each operator; may use random numbers."""

    def draw(self) -> str:
        """Draw the next operator."""
        weights = self.weights()
        totals = np.cumsum(list(weights.values()))
        return list(weights)[int(np.searchsorted(totals, self.rng.random() * totals[-1], side="right"))]

    def learn(self, name: str, accepted: bool) -> None:
        """Count a mutant that was evaluated."""
        tally = self.tallies[name]
        tally.sent += 1
        if accepted:
            tally.accepted += 1
            self.last = name


class Uniform(Choice):
    """Uniform choice."""

    def weights(self) -> Mapping[str, float]:
        return dict.fromkeys(self.names, 1.0)


class Ranked(Choice):
    """Metropolis-Hastings over operators ranked by their share of accepted mutants, the best first.

    With p = 1 / operators, the last accepted operator of rank i is followed by a uniformly proposed one of rank j with
    probability min(1, (1 - p)^(j - i)), else another is proposed: the weights here are these probabilities. In the
    authors' code i is never found and always -1 (`linked` False), so the last operator has no effect.
    """

    def __init__(self, rng: np.random.Generator, names: tuple[str, ...], *, linked: bool = True) -> None:
        super().__init__(rng, names)
        self.linked = linked

    def weights(self) -> Mapping[str, float]:
        if self.last is None:
            return dict.fromkeys(self.names, 1.0)
        order = [self.names[at] for at in self.rng.permutation(len(self.names))]  # so that ties are broken at random
        order.sort(key=lambda name: -self.tallies[name].accepted / (self.tallies[name].sent + NEVER_ZERO))
        start = order.index(self.last) if self.linked else -1
        stay = 1 - 1 / len(order)
        return {name: min(1.0, stay ** (rank - start)) for rank, name in enumerate(order)}


class Adaptive(Choice):
    """Thompson sampling: draw an estimate of each operator's share of accepted mutants; the largest wins."""

    def weights(self) -> Mapping[str, float]:
        guesses = [
            self.rng.beta(1 + tally.accepted, 1 + tally.sent - tally.accepted) for tally in self.tallies.values()
        ]
        best = int(np.argmax(guesses))
        return {name: float(at == best) for at, name in enumerate(self.names)}


CHOICES: dict[str, type[Choice]] = {"ranked": Ranked, "uniform": Uniform, "adaptive": Adaptive}

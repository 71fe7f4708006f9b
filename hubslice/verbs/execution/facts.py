"""What the execution pattern of a model says of it, as facts."""

from __future__ import annotations

from typing import Literal

from hubslice.core.artefact import Artefact

Sight = Literal["names", "durations"]


class Settings(Artefact):
    """What else than model and stack decides a pattern: inputs [N, ...] by name, threads, device."""

    inputs: dict[str, tuple[int, ...]]
    threads: int
    device: str


class Site(Artefact):
    """The machine and software that patterns were recorded on; durations of another one are others."""

    processor: str
    cores: int
    software: dict[str, str]

    def differences(self, other: Site) -> tuple[str, ...]:
        """What is not the same, in words: what the other has, and what this one."""
        mine, theirs = self._flat(), other._flat()
        names = dict.fromkeys((*mine, *theirs))
        return tuple(
            f"{name}: {theirs.get(name, 'none')}, here {mine.get(name, 'none')}"
            for name in names
            if mine.get(name) != theirs.get(name)
        )

    def _flat(self) -> dict[str, str]:
        return {"processor": self.processor, "cores": str(self.cores), **self.software}


class Match(Artefact):
    """A known pattern beside what was seen: distances in deviations of repeated runs; 1 is the noise among these.

    `votes` counts the runs that have it as their nearest.
    """

    model: str
    architecture: str
    stack: str
    distance: float
    votes: int


class Guess(Artefact):
    """What an attacker concludes who sees names and durations, or durations alone; `matches` are ranked.

    `margin` is the distance of the nearest pattern of another architecture over that of the nearest of all; None where
    only one architecture is known. `familiar`: the distance is one that runs of a known model have.
    """

    sight: Sight
    matches: tuple[Match, ...]
    margin: float | None
    familiar: bool

    @property
    def best(self) -> Match:
        """The nearest known pattern."""
        return self.matches[0]


class Observation(Artefact):
    """The model on one stack: events and milliseconds that its runs have in common, and what they give away."""

    stack: str
    settings: Settings
    runs: int
    events: int
    milliseconds: float
    guesses: tuple[Guess, ...]
    differing: tuple[str, ...]


class Execution(Artefact):
    """A model's patterns beside known ones, all stacks that could be recorded; `skipped`: why others could not.

    `elsewhere` is how the machine that the known patterns come from differs from this one. `others` are models that
    could not be recorded to compare with.
    """

    model: str
    architecture: str
    known: int
    store: str | None
    elsewhere: tuple[str, ...]
    observations: tuple[Observation, ...]
    skipped: dict[str, str]
    others: dict[str, str]
    seconds: float

    @property
    def resembles(self) -> str | None:
        """The architecture that durations alone name on most stacks, if they name a familiar one."""
        named = [guess.best.architecture for seen in self.observations for guess in seen.guesses if _told(guess)]
        return max(dict.fromkeys(named), key=named.count, default=None)


def _told(guess: Guess) -> bool:
    return guess.sight == "durations" and guess.familiar


class Recorded(Artefact):
    """A store of patterns as it was just made."""

    file: str
    patterns: tuple[str, ...]
    runs: int
    skipped: dict[str, str]
    bytes: int
    seconds: float

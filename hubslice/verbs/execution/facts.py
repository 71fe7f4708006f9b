"""What the execution pattern of a model reveals, as artefacts."""

from __future__ import annotations

from typing import Literal

from hubslice.core.artefact import Artefact

Sight = Literal["names", "durations"]


class Settings(Artefact):
    """Settings besides model and stack that affect a pattern: inputs [N, ...] by name, threads, device."""

    inputs: dict[str, tuple[int, ...]]
    threads: int
    device: str


class Site(Artefact):
    """The machine and software that patterns were recorded on; durations differ on others."""

    processor: str
    cores: int
    software: dict[str, str]

    def differences(self, other: Site) -> tuple[str, ...]:
        """Describe the differences: what the other has, and what this one has."""
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
    """A known pattern compared with the observed one: distances in deviations of repeated runs; 1 is the noise level.

    `votes` counts the runs that are closest to it.
    """

    model: str
    architecture: str
    stack: str
    distance: float
    votes: int


class Guess(Artefact):
    """The conclusion of an attacker who sees names and durations, or only durations; `matches` are ranked.

    `margin` is the distance of the closest pattern of another architecture over that of the closest of all; None if
    only one architecture is known. `familiar`: the distance is typical of runs of a known model.
    """

    sight: Sight
    matches: tuple[Match, ...]
    margin: float | None
    familiar: bool

    @property
    def best(self) -> Match:
        """The closest known pattern."""
        return self.matches[0]


class Observation(Artefact):
    """The model on one stack: events and milliseconds that its runs have in common, and what they reveal."""

    stack: str
    settings: Settings
    runs: int
    events: int
    milliseconds: float
    guesses: tuple[Guess, ...]
    differing: tuple[str, ...]


class Execution(Artefact):
    """A model's patterns compared with known ones, on all stacks that could be recorded.

    `skipped`: why other stacks could not. `elsewhere` is how the machine of the known patterns differs from this one.
    `others` are models that could not be recorded for comparison.
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
        """The architecture that durations alone indicate on most stacks, if it is a familiar one."""
        named = [guess.best.architecture for seen in self.observations for guess in seen.guesses if _told(guess)]
        return max(dict.fromkeys(named), key=named.count, default=None)


def _told(guess: Guess) -> bool:
    return guess.sight == "durations" and guess.familiar


class Recorded(Artefact):
    """A store of patterns that was just created."""

    file: str
    patterns: tuple[str, ...]
    runs: int
    skipped: dict[str, str]
    bytes: int
    seconds: float

"""What came of many trials of one kind, as a file of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Self

from pydantic import Field

from hubslice.core.artefact import Artefact
from hubslice.core.errors import RunError

from ..machine import installed

ROUND = 1  # raised where a trial asks for something else than before
PACKAGES = ("hubslice", "huggingface-hub", "timm", "transformers", "onnxruntime", "safetensors", "pyarrow")


def versions() -> dict[str, str]:
    """What an outcome depends on: with another of these the trials are made again."""
    return {"round": str(ROUND)} | installed(PACKAGES)


class Trial(Artefact):
    """One trial: how its commands ended, what was wrong, seconds of all and of the longest, largest peak in MiB."""

    name: str
    ends: tuple[str, ...]
    wrong: tuple[str, ...] = ()
    seconds: float = Field(0.0, exclude=True)
    slowest: float = Field(0.0, exclude=True)
    memory: int = Field(0, exclude=True)


class Outcome(Artefact):
    """Trials of one group of a part, in order: how many were made, how their commands ended, which did not end well.

    `exits` counts exit codes, `slowest` is the longest command in seconds, `memory` the largest peak in MiB.
    """

    part: str
    group: str
    versions: dict[str, str]
    commit: str
    tried: int = 0
    exits: dict[str, int] = Field(default_factory=dict)
    failures: tuple[Trial, ...] = ()
    seconds: float = 0.0
    slowest: float = 0.0
    memory: int = 0

    @property
    def well(self) -> int:
        """Trials that ended well."""
        return self.tried - len(self.failures)

    def with_trial(self, trial: Trial) -> Self:
        """The outcome with one more trial, or with another try of one that did not end well."""
        before = [each for each in self.failures if each.name == trial.name]
        kept = [each for each in self.failures if each.name != trial.name]
        exits = Counter(self.exits) + Counter(trial.ends)
        exits.subtract(Counter(end for each in before for end in each.ends))
        return self.model_copy(
            update={
                "tried": self.tried + (not before),
                "exits": {end: number for end, number in sorted(exits.items()) if number},
                "failures": (*kept, trial) if trial.wrong else tuple(kept),
                "seconds": round(self.seconds + trial.seconds, 1),
                "slowest": round(max(self.slowest, trial.slowest), 1),
                "memory": max(self.memory, trial.memory),
            }
        )


def outcomes(folder: Path) -> list[Outcome]:
    """Those that lie in the folder, by name."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(Outcome.load(path))
        except RunError:  # of an older format: the trials are made again
            continue
    return found

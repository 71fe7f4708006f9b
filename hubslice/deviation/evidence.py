"""Inputs and results of a search: seeds, outcomes, and the evidence files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from hubslice.artefacts.deviation import Deviations
from hubslice.deviation.outcome import Outcome

KIND = "triggers"

Outcomes = dict[int, tuple[Outcome, float]]  # with seconds, by seed number


@dataclass(frozen=True)
class Seeds:
    """The seeds, images uint8 [n, C, H, W] or texts as code points, and their source."""

    source: str
    names: tuple[str, ...]
    inputs: Sequence[np.ndarray] | np.ndarray


@dataclass(frozen=True)
class Places:
    """Where the evidence is written."""

    facts: Path
    triggers: Path
    gallery: Path

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files."""
        return self.facts.name, self.triggers.name, self.gallery.name

    def under(self, folder: Path) -> Places:
        """Return the same names in a folder."""
        return Places(folder / self.facts, folder / self.triggers, folder / self.gallery)


class WriteEvidence(Protocol):
    """Writes facts, triggers and files for people; `labels` are those compared."""

    def __call__(
        self, places: Places, facts: Deviations, labels: tuple[str, ...], seeds: Seeds, outcomes: Outcomes
    ) -> None: ...

"""What steps have made, opened once a run."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import ClassVar, Protocol

MOST = 2  # things that are kept: a teacher, and the map of its neurons


class Openable(Protocol):
    """What of a step opening needs; see `hubslice.engine.step.Step`."""

    kept: ClassVar[bool]

    def open(self, folder: Path) -> object: ...

    def lend(self, opened: object) -> object: ...


class Opened:
    """Opens what steps have made; of steps that say so the result is kept for the next that asks."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, object] = OrderedDict()

    def get(self, step: Openable, folder: Path) -> object:
        """What `step` opens in its finished folder, or a copy of what it has opened there before."""
        if not step.kept:
            return step.open(folder)
        if folder not in self._kept:
            self._kept[folder] = step.open(folder)
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        self._kept.move_to_end(folder)
        return step.lend(self._kept[folder])

    def forget(self, folder: Path) -> None:
        """Drop what was opened in a folder that is about to hold something else."""
        self._kept.pop(folder, None)

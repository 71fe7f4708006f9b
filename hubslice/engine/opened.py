"""Open each step's result once per run."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import ClassVar, Protocol

MOST = 2  # number of results that are kept: a teacher, and the map of its neurons


class Openable(Protocol):
    """The part of a step that opening needs; see `hubslice.engine.step.Step`."""

    kept: ClassVar[bool]

    def open(self, folder: Path) -> object: ...

    def lend(self, opened: object) -> object: ...


class Opened:
    """Opens the results of steps, and keeps those of steps that ask for it for the next caller."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, object] = OrderedDict()

    def get(self, step: Openable, folder: Path) -> object:
        """Return what `step` opens from its finished folder, or a copy of what it opened there before."""
        if not step.kept:
            return step.open(folder)
        if folder not in self._kept:
            self._kept[folder] = step.open(folder)
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        self._kept.move_to_end(folder)
        return step.lend(self._kept[folder])

    def forget(self, folder: Path) -> None:
        """Drop what was opened from a folder whose contents are about to change."""
        self._kept.pop(folder, None)

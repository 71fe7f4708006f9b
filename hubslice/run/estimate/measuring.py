"""Measure seconds and bytes of a piece of work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from hubslice.core.progress import Bar, Silent

Result = TypeVar("Result")


class Stopwatch(Silent, Bar):
    """A reporter that records when its bars advance, in seconds since its creation."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._moments: list[tuple[int, float]] = []

    def track(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Bar]:
        """Return itself."""
        return _as_context(self)

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Record the time."""
        self._moments.append((amount, time.monotonic() - self._started))

    def stop(self) -> None:
        """Record the end."""
        self._ended = time.monotonic() - self._started

    @property
    def _advances(self) -> list[float]:
        return [moment for amount, moment in self._moments if amount]

    @property
    def first(self) -> float:
        """The seconds until the first unit was done."""
        return self._advances[0]

    @property
    def between(self) -> list[float]:
        """The seconds from each unit to the next."""
        return [later - earlier for earlier, later in pairwise(self._advances)]

    @property
    def last(self) -> float:
        """The seconds from the last report to the end."""
        return self._ended - self._moments[-1][1]


@contextmanager
def _as_context(bar: Bar) -> Iterator[Bar]:
    yield bar


def rss() -> int:
    """Return the resident memory of this process, in bytes."""
    return int(psutil.Process().memory_info().rss)


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return the result and the seconds that it took."""
    started = time.monotonic()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result, time.monotonic() - started


def size_of(folder: Path) -> int:
    """Return the total bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

"""Protocols for progress reports of long work: steps that start and end, and bars inside them.

The library only knows these protocols; the command line provides the implementation that draws.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, Protocol

StepState = Literal["start", "done", "cached", "stopped"]


class Bar(Protocol):
    """A progress bar: a count towards a total."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Add `amount` to the count; `note` (such as `loss 0.41`) replaces the current note, an empty one keeps it."""


class Reporter(Protocol):
    """Receives progress reports of a run."""

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        """Report that a step starts, is done or failed (after `seconds`), or that its result is cached."""

    def track(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Bar]:
        """Return a bar for a loop of `total` units (None: unknown), to be advanced inside the `with` block."""


class SilentBar(Bar):
    """A bar that shows nothing."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Do nothing."""


class Silent(Reporter):
    """The default reporter: shows nothing."""

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        """Do nothing."""

    def track(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Bar]:
        """Return a bar that shows nothing."""
        return nullcontext(SilentBar())


SILENT: Reporter = Silent()


@contextmanager
def stage(reporter: Reporter, name: str, title: str) -> Iterator[None]:
    """Report the start of a stage and, when the block ends (also by an error), how long it took."""
    reporter.step(name, title, "start")
    started = time.monotonic()
    state: StepState = "stopped"
    try:
        yield
        state = "done"
    finally:
        reporter.step(name, title, state, time.monotonic() - started)

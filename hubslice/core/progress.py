"""How long work tells whoever waits for it: steps that start and end, and bars inside them.

The library only knows these protocols; the command line brings the implementation that draws.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, Protocol

StepState = Literal["start", "done", "cached", "stopped"]


class Bar(Protocol):
    """A count on its way to a total."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Add `amount` to the count; `note` (such as `loss 0.41`) replaces the one shown beside it, empty keeps it."""


class Reporter(Protocol):
    """Where a run says what it is doing."""

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        """Tell that a step starts, is done or ended by an error (after `seconds`), or that its result is cached."""

    def track(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Bar]:
        """Give a bar for a loop of `total` units (None: unknown), to be advanced inside the `with` block."""


class SilentBar(Bar):
    """A bar that nobody sees."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Do nothing."""


class Silent(Reporter):
    """The default: says nothing."""

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        """Do nothing."""

    def track(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Bar]:
        """Give a bar that nobody sees."""
        return nullcontext(SilentBar())


SILENT: Reporter = Silent()


@contextmanager
def stage(reporter: Reporter, name: str, title: str) -> Iterator[None]:
    """Tell that a part of the work starts, and when the block is over, also by an error, how long it took."""
    reporter.step(name, title, "start")
    started = time.monotonic()
    state: StepState = "stopped"
    try:
        yield
        state = "done"
    finally:
        reporter.step(name, title, state, time.monotonic() - started)

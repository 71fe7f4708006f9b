"""A reporter that stops a command as Ctrl-C does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hubslice.core.progress import Bar, Silent


class Interrupting(Silent):
    """Counts the ticks of the bar called `label` in `ticks`; after so many of them it stops the command."""

    def __init__(self, label: str, after: int | None) -> None:
        self.label, self.after = label, after
        self.ticks: list[int] = []

    @contextmanager
    def track(self, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        ticks, after = self.ticks, self.after
        counts = label == self.label

        class Counting(Bar):
            def advance(self, amount: int = 1, note: str = "") -> None:
                if counts and amount:
                    ticks.append(amount)
                    if after is not None and sum(ticks) >= after:
                        raise KeyboardInterrupt

        yield Counting()

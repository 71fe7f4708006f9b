"""Runs a recipe and kills its own process, as `kill -9` would, in the middle of one step.

    python -m tests.pipeline.killed RECIPE RUN STEP early|late

early: at the second tick of the step's bar, or before it writes anything if it has none. late: with all its files
written, before it counts as finished.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import hubslice
from hubslice.pipeline.run_folder import RunFolder
from hubslice.pipeline.step import StepRecord
from hubslice.progress import Silent, SilentBar, StepState

RECIPE, RUN, STEP, MOMENT = sys.argv[1:]


def die() -> None:
    """End the process without any clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)


class Killer(Silent):
    """Kills at a tick of the step's bar."""

    now = ""

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        self.now = name if state == "start" else ""

    def track(self, label: str, total: int | None, unit: str):  # type: ignore[no-untyped-def]
        reporter, ticks = self, [0]

        class Bar(SilentBar):
            def advance(self, amount: int = 1, note: str = "") -> None:
                ticks[0] += amount > 0
                if reporter.now == STEP and MOMENT == "early" and ticks[0] == 2:
                    die()

            def __enter__(self):  # type: ignore[no-untyped-def]
                return self

            def __exit__(self, *_: object) -> None:
                pass

        return Bar()


finish = RunFolder.finish


def finish_or_die(self: RunFolder, record: StepRecord) -> None:
    """Finish the step, unless it is the one to be killed."""
    if record.name == STEP:
        die()
    finish(self, record)


RunFolder.finish = finish_or_die  # type: ignore[method-assign]
hubslice.slice(RECIPE, out=Path(RUN), reporter=Killer())

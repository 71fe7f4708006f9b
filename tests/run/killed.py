"""Runs a recipe and kills its own process, as `kill -9` would, in the middle of one step.

    python -m tests.run.killed RECIPE RUN STEP TICK|late

TICK: at this tick of the step's bars, counted over all of them. late: with all its files written, before it counts as
finished. A step `none` is never reached: the recipe is run to its end.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import hubslice
from hubslice.core.progress import Silent, SilentBar, StepState
from hubslice.engine.run_folder import RunFolder
from hubslice.engine.step import StepRecord
from hubslice.training import loop
from tests import exports_once

RECIPE, RUN, STEP, MOMENT = sys.argv[1:]


def die() -> None:
    """End the process without any clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)


class Killer(Silent):
    """Kills at a tick of the step's bar."""

    now = ""
    ticks = 0

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        self.now = name if state == "start" else ""

    def track(self, label: str, total: int | None, unit: str):  # type: ignore[no-untyped-def]
        reporter = self

        class Bar(SilentBar):
            def advance(self, amount: int = 1, note: str = "") -> None:
                reporter.ticks += amount > 0 and reporter.now == STEP
                if str(reporter.ticks) == MOMENT:
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


exports_once.wrap()
loop.CHECKPOINT_SECONDS = 0  # a checkpoint after every training step, so that one is there to go on from
RunFolder.finish = finish_or_die  # type: ignore[method-assign]
hubslice.slice(RECIPE, out=Path(RUN), reporter=Killer())

"""How the command line shows a run's progress: live on a terminal, as lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.text import Text

from hubslice.cli.output import printable
from hubslice.progress import Bar, Reporter, StepState

_FIRST, _RAREST = 10.0, 160.0  # seconds between lines that tell how far a count is: twice as many after each


class Lines(Reporter):
    """One line where a step starts and one where it ends, and now and then how far long work is, for logs."""

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        """Write the line."""
        sys.stderr.write(f"{printable(name)}: {printable(_told(title, state, seconds))}\n")
        sys.stderr.flush()

    def track(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Bar]:
        """Give a bar that writes a line from time to time."""
        return nullcontext(_LineBar(label, total, unit))


class _LineBar(Bar):
    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self._label, self._unit = label, unit
        self._of = f"/{total:,}" if total is not None else ""
        self._count = 0
        self._pause = _FIRST
        self._due = time.monotonic() + _FIRST

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._count += amount
        now = time.monotonic()
        if now < self._due:
            return
        told = f"{self._label}: {self._count:,}{self._of} {self._unit}{f', {note}' if note else ''}"
        sys.stderr.write(f"{printable(told)}\n")
        sys.stderr.flush()
        self._pause = min(2 * self._pause, _RAREST)
        self._due = now + self._pause


class Live(Reporter):
    """A spinner for the running step and bars below it; a line stays for each step that is over."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            _Bar(bar_width=24),
            _Count(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._steps: dict[str, TaskID] = {}

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        """Start the step's spinner, or replace it by a line."""
        if state == "start":
            self._steps[name] = self._add(title, None, "")
            return
        if name in self._steps:
            self._remove(self._steps.pop(name))
        mark = Text("✓ " if state == "done" else "· ", style="green" if state == "done" else "dim")
        self._progress.console.print(
            mark.append(f"{printable(title)}  ", "default").append(_told("", state, seconds), "dim")
        )

    @contextmanager
    def track(self, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        """Show a bar while the block runs."""
        task = self._add(label, total, unit)
        try:
            yield _LiveBar(self._progress, task)
        finally:
            self._remove(task)

    def stop(self) -> None:
        """Take everything away."""
        for task in list(self._progress.task_ids):
            self._progress.remove_task(task)
        self._progress.stop()

    def _add(self, label: str, total: int | None, unit: str) -> TaskID:
        self._progress.start()
        return self._progress.add_task(printable(label), total=total, unit=printable(unit), note="")

    def _remove(self, task: TaskID) -> None:
        if task in self._progress.task_ids:
            self._progress.remove_task(task)
        if not self._progress.task_ids:
            self._progress.stop()


class _LiveBar(Bar):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._progress.advance(self._task, amount)
        if note:
            self._progress.update(self._task, note=printable(note))


class _Bar(BarColumn):
    """Nothing for a step, whose spinner is enough."""

    def render(self, task: Task) -> ProgressBar:
        bar = super().render(task)
        if not task.fields["unit"]:
            bar.width = 0
        return bar


class _Count(ProgressColumn):
    """`12/40 batches`; empty for a spinner."""

    def render(self, task: Task) -> Text:
        unit = str(task.fields["unit"])
        if not unit:
            return Text("")
        total = f"/{task.total:,.0f}" if task.total is not None else ""
        return Text(f"{task.completed:,.0f}{total} {unit}", style="cyan")


def _told(title: str, state: StepState, seconds: float | None) -> str:
    took = f" in {_duration(seconds)}" if seconds is not None else ""
    match state:
        case "start":
            return f"{title} ..."
        case "done":
            return f"done{took}"
        case "cached":
            return "already done, taken from the run folder"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"

"""Show a run's progress: live on a terminal, as lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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

from hubslice.core.progress import Bar, Reporter, StepState
from hubslice.terminal.printable import printable

_FIRST, _RAREST = 10.0, 160.0  # seconds between progress lines: doubled after each
_LOOK = 1.0  # seconds between checks whether a line is due


class Lines(Reporter):
    """Prints one line when a step starts and one when it ends, and occasionally the progress of long work, for logs.

    A thread also reports work that does not advance for a while, so that nothing long is silent. Work without a step or
    bar is called `otherwise`; without that it is not reported.
    """

    def __init__(self, otherwise: str | None = None) -> None:
        self._at_work: list[_LineBar] = []
        self._steps: dict[str, _LineBar] = {}
        self._over = threading.Event()
        self._watch: threading.Thread | None = None
        if otherwise is not None:
            self._begin(otherwise, None, "")

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        """Print the line."""
        if state == "start":
            self._steps[name] = self._begin(name, None, "")
        elif name in self._steps:
            self._end(self._steps.pop(name))
        _write(f"{name}: {_told(title, state, seconds)}")

    @contextmanager
    def track(self, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        """Return a bar that prints a line from time to time."""
        bar = self._begin(label, total, unit)
        try:
            yield bar
        finally:
            self._end(bar)

    def stop(self) -> None:
        """Stop printing progress lines."""
        self._at_work.clear()
        self._over.set()

    def _begin(self, label: str, total: int | None, unit: str) -> _LineBar:
        bar = _LineBar(label, total, unit)
        self._at_work.append(bar)
        if self._watch is None:
            self._watch = threading.Thread(target=self._tell_at_times, name="hubslice-progress", daemon=True)
            self._watch.start()
        return bar

    def _end(self, bar: _LineBar) -> None:
        if bar in self._at_work:
            self._at_work.remove(bar)
        for outer in self._at_work:
            outer.heard()

    def _tell_at_times(self) -> None:
        while not self._over.wait(_LOOK):
            for inner in self._at_work[-1:]:
                if inner.tell_if_due():
                    for outer in self._at_work:
                        outer.heard()


class _LineBar(Bar):
    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self._label, self._unit, self._note = label, unit, ""
        self._of = f"/{total:,}" if total is not None else ""
        self._count = 0
        self._pause = _FIRST
        self._began = time.monotonic()
        self._due = self._began + _FIRST
        self._lock = threading.Lock()

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._count += amount
        self._note = note or self._note
        self.tell_if_due()

    def heard(self) -> None:
        """Record that something within it was just reported."""
        self._due = max(self._due, time.monotonic() + self._pause)

    def tell_if_due(self) -> bool:
        """Print the progress if nothing was printed for long enough."""
        with self._lock:
            now = time.monotonic()
            if now < self._due:
                return False
            self._pause = min(2 * self._pause, _RAREST)
            self._due = now + self._pause
        if self._unit:
            told = f"{self._label}: {self._count:,}{self._of} {self._unit}{f', {self._note}' if self._note else ''}"
        else:
            told = f"{self._label}: {_duration(now - self._began, places=0)} so far"
        _write(told)
        return True


class Live(Reporter):
    """Shows a spinner for the running step and bars below it; a line remains for each finished step."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            _Bar(bar_width=24),
            _Count(),
            _Time(compact=True),
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
        if state == "stopped":
            return  # the error says more
        mark = Text("✓ " if state == "done" else "· ", style="green" if state == "done" else "dim")
        self._progress.console.print(
            mark.append(f"{printable(title)}  ", "default").append(_told("", state, seconds), "dim")
        )

    @contextmanager
    def track(self, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        """Show a bar inside the block."""
        task = self._add(label, total, unit)
        try:
            yield _LiveBar(self._progress, task)
        finally:
            self._remove(task)

    def stop(self) -> None:
        """Remove everything."""
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
    """A bar that is empty for a step, which has a spinner."""

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


class _Time(TimeRemainingColumn):
    """The remaining time of a bar; the elapsed time of a spinner."""

    def render(self, task: Task) -> Text:
        if task.total is not None or task.elapsed is None or task.elapsed < 1:
            return super().render(task)
        return Text(_duration(int(task.elapsed), places=0), style="dim")


def _write(line: str) -> None:
    with suppress(ValueError):  # the stream was closed
        sys.stderr.write(f"{printable(line)}\n")
        sys.stderr.flush()


def _told(title: str, state: StepState, seconds: float | None) -> str:
    took = f" in {_duration(seconds)}" if seconds is not None else ""
    match state:
        case "start":
            return f"{title} ..."
        case "done":
            return f"done{took}"
        case "stopped":
            return "stopped" if seconds is None else f"stopped after {_duration(seconds)}"
        case "cached":
            return "already done, taken from the run folder"


def _duration(seconds: float, places: int = 1) -> str:
    if seconds < 60:
        return f"{seconds:.{places}f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"

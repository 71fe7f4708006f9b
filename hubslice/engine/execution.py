"""Execute a plan: skip finished steps, run missing ones, and store every finished step atomically."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.machine import faults_told
from hubslice.core.memory import peak_memory
from hubslice.core.processes import leads
from hubslice.core.progress import Reporter, Silent, stage
from hubslice.engine.environment import environment
from hubslice.engine.opened import Opened
from hubslice.engine.run_folder import KEY, NOTES, RunFolder
from hubslice.engine.step import Context, Step, StepRecord, digest_folder

if TYPE_CHECKING:
    import torch

POLL_SECONDS = 0.2


def execute(
    steps: Sequence[Step],
    run: RunFolder,
    device: torch.device,
    reporter: Reporter,
    force: frozenset[str] = frozenset(),
    finished: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the steps in order, skipping finished ones whose key still matches unless `force` names them.

    `finished` is called with each step's name as soon as its result is available, cached or new.
    """
    seen: dict[str, str] = {}
    work = _Work(device, reporter if leads() else Silent(), {step.name: step for step in steps}, Opened())
    for step in steps:
        key = step.key(seen)
        record = run.record(step.name)
        if record is not None and record.key == key and step.name not in force:
            reporter.step(step.name, step.title, "cached")
        elif leads():
            record = _run(step, key, run, work)
        else:
            record = _help(step, key, run, work)
        seen[step.name] = step.seen(record.digest)
        finished(step.name)


def cached(steps: Sequence[Step], run: RunFolder) -> dict[str, bool]:
    """Return for every step whether `execute` would skip it; a step that follows a missing one counts as missing."""
    seen: dict[str, str] = {}
    state: dict[str, bool] = {}
    for step in steps:
        record = run.record(step.name) if all(name in seen for name in step.inputs) else None
        state[step.name] = record is not None and record.key == step.key(seen)
        if record is not None and state[step.name]:
            seen[step.name] = step.seen(record.digest)
    return state


def closure(steps: Sequence[Step], last: Sequence[str]) -> list[Step]:
    """Return the steps named in `last` and everything they depend on, in plan order."""
    wanted = set(last)
    for step in reversed(steps):
        if step.name in wanted:
            wanted.update(step.inputs)
    return [step for step in steps if step.name in wanted]


@dataclass(frozen=True)
class _Work:
    """Runs steps, with the objects they share."""

    device: torch.device
    reporter: Reporter
    steps: Mapping[str, Step]
    opened: Opened

    def context(self, step: Step, run: RunFolder, folder: Path) -> Context:
        """Return the step's context."""
        inputs = {name: run.step(name) for name in step.inputs}
        made_by = {name: self.steps[name] for name in step.inputs}
        return Context(folder, inputs, self.device, self.reporter, made_by, self.opened)


def _run(step: Step, key: str, run: RunFolder, work: _Work) -> StepRecord:
    with stage(work.reporter, step.name, step.title):
        work.opened.forget(run.step(step.name))
        folder = run.begin(step.name, key)
        started = time.monotonic()
        with peak_memory() as peak, faults_told(f"doing {step.name} ({step.title})", folder):
            step.run(work.context(step, run, folder))
        seconds = time.monotonic() - started
        digest, size = digest_folder(folder, leave_out=NOTES)
        record = StepRecord(
            name=step.name,
            key=key,
            digest=digest,
            size=size,
            seconds=seconds,
            peak_mib=peak[0] / 2**20,
            device=str(work.device),
            environment=environment(str(work.device)),
        )
        run.finish(record)
    return record


def _help(step: Step, key: str, run: RunFolder, work: _Work) -> StepRecord:
    """Wait for a step in a non-leading process: take part in a shared step, then wait until it is finished."""
    if step.shared:
        note = run.partial(step.name) / KEY
        while not note.is_file() or note.read_text() != key:
            time.sleep(POLL_SECONDS)
        step.run(work.context(step, run, run.partial(step.name)))
    while (record := run.record(step.name)) is None or record.key != key:
        time.sleep(POLL_SECONDS)
    return record

"""Running a plan: skip what is there, do what is missing, leave every finished step whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from hubslice.core.machine import faults_told
from hubslice.core.memory import peak_memory
from hubslice.core.processes import leads
from hubslice.core.progress import Reporter, Silent, stage
from hubslice.engine.environment import environment
from hubslice.engine.run_folder import KEY, NOTES, RunFolder
from hubslice.engine.step import Context, Step, StepRecord, digest_folder

POLL_SECONDS = 0.2


def execute(
    steps: Sequence[Step],
    run: RunFolder,
    device: torch.device,
    reporter: Reporter,
    force: frozenset[str] = frozenset(),
    finished: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the steps in order; finished ones whose key still fits are left alone, unless `force` names them.

    `finished` is told each step's name as soon as its result is there, cached or new.
    """
    digests: dict[str, str] = {}
    for step in steps:
        key = step.key(digests)
        record = run.record(step.name)
        if record is not None and record.key == key and step.name not in force:
            reporter.step(step.name, step.title, "cached")
        elif leads():
            record = _run(step, key, run, device, reporter)
        else:
            record = _help(step, key, run, device)
        digests[step.name] = record.digest
        finished(step.name)


def cached(steps: Sequence[Step], run: RunFolder) -> dict[str, bool]:
    """For every step whether `execute` would skip it; a step behind a missing one counts as missing."""
    digests: dict[str, str] = {}
    state: dict[str, bool] = {}
    for step in steps:
        record = run.record(step.name) if all(name in digests for name in step.inputs) else None
        state[step.name] = record is not None and record.key == step.key(digests)
        if record is not None and state[step.name]:
            digests[step.name] = record.digest
    return state


def closure(steps: Sequence[Step], last: Sequence[str]) -> list[Step]:
    """The steps named in `last` and all that they need, in plan order."""
    wanted = set(last)
    for step in reversed(steps):
        if step.name in wanted:
            wanted.update(step.inputs)
    return [step for step in steps if step.name in wanted]


def _run(step: Step, key: str, run: RunFolder, device: torch.device, reporter: Reporter) -> StepRecord:
    with stage(reporter, step.name, step.title):
        folder = run.begin(step.name, key)
        started = time.monotonic()
        with peak_memory() as peak, faults_told(f"doing {step.name} ({step.title})", folder):
            inputs = {name: run.step(name) for name in step.inputs}
            step.run(Context(folder, inputs, device, reporter))
        seconds = time.monotonic() - started
        digest, size = digest_folder(folder, leave_out=NOTES)
        record = StepRecord(
            name=step.name,
            key=key,
            digest=digest,
            size=size,
            seconds=seconds,
            peak_mib=peak[0] / 2**20,
            device=str(device),
            environment=environment(str(device)),
        )
        run.finish(record)
    return record


def _help(step: Step, key: str, run: RunFolder, device: torch.device) -> StepRecord:
    """The part of a process that does not lead: run a shared step along, then wait until it is finished."""
    if step.shared:
        note = run.partial(step.name) / KEY
        while not note.is_file() or note.read_text() != key:
            time.sleep(POLL_SECONDS)
        inputs = {name: run.step(name) for name in step.inputs}
        step.run(Context(run.partial(step.name), inputs, device, Silent()))
    while (record := run.record(step.name)) is None or record.key != key:
        time.sleep(POLL_SECONDS)
    return record

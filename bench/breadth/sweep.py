"""All members that are not done, each in a process of its own, a few at a time.

The processes are forked from one that has imported everything and computed nothing, which is safe, and quick: to
import torch, timm, transformers and hubslice takes longer than many a member.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from hubslice.core.errors import RunError

from ..environment import environment
from ..machine import Machine
from .member import Member
from .outcome import Outcome, Stage, versions

POLL = 0.2  # seconds
MEMORY = 8 << 30  # bytes that a member may take


@dataclass(frozen=True)
class Limits:
    """Seconds of computing of a stage, seconds of a member, and how many run at a time."""

    stage: int = 90
    member: int = 600
    workers: int = 1


def outcomes(folder: Path) -> dict[str, Outcome]:
    """Those that lie in the folder, by key."""
    found = (Outcome.load(path) for path in sorted(folder.glob("*.json")))
    return {outcome.member.key: outcome for outcome in found}


def missing(members: Iterable[Member], folder: Path, again: str | None) -> list[Member]:
    """Those to try: not tried before with these versions, or again: `failed`, those not through, or `all`."""
    wanted = []
    for member in members:
        try:
            before = Outcome.load(folder / f"{member.key}.json")
        except RunError:
            wanted.append(member)
            continue
        stale = before.versions != versions() or before.member != member
        if stale or again == "all" or (again == "failed" and not before.through):
            wanted.append(member)
    return wanted


def sweep(
    members: list[Member],
    folder: Path,
    limits: Limits,
    told: Callable[[Outcome], None],
    keep: Path | None = None,
) -> None:
    """Try these members; each one's outcome is put in the folder when it is known. `keep`: their folders go there."""
    with tempfile.TemporaryDirectory(prefix="hubslice-breadth-") as name, environment(**_variables(Path(name))):
        commit = Machine.here(1).commit
        context = get_context("forkserver")
        context.set_forkserver_preload(["bench.breadth.preload"])
        waiting, running = list(members), list[_Running]()
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended, too
        try:
            while waiting or running:
                while waiting and len(running) < limits.workers:
                    running.append(_Running.start(context, waiting.pop(0), Path(name), limits, commit))
                time.sleep(POLL)
                for each in [each for each in running if each.over(limits)]:
                    running.remove(each)
                    outcome = each.outcome()
                    outcome.save(folder / f"{outcome.member.key}.json")
                    each.clear(keep)
                    told(outcome)
        finally:
            for each in running:
                each.end()
            signal.signal(signal.SIGTERM, before)


def _variables(folder: Path) -> dict[str, str]:
    """What every member's process finds set: no Hub, caches of its own, a thread each."""
    alone = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    return alone | dict.fromkeys(("HF_HOME", "HUBSLICE_CACHE"), f"{folder}/cache")


@dataclass
class _Running:
    member: Member
    process: Any
    place: Path
    path: Path
    started: float
    ended: str = ""

    @classmethod
    def start(cls, context: Any, member: Member, folder: Path, limits: Limits, commit: str) -> _Running:
        place = folder / member.key
        place.mkdir()
        path = folder / f"{member.key}.json"
        process = context.Process(target=_work, args=(member.model_dump_json(), place, path, limits.stage, commit))
        process.start()
        return cls(member, process, place, path, time.monotonic())

    def over(self, limits: Limits) -> bool:
        """Whether it is over; it is ended if it takes too long or too much memory."""
        if not self.process.is_alive():
            return True
        if time.monotonic() - self.started > limits.member:
            self.ended = f"ended after {limits.member} s"
        elif (taken := _memory(self.process.pid)) > MEMORY:
            self.ended = f"ended because it took {taken / 2**30:.0f} GiB of memory"
        if self.ended:
            self.end()
        return bool(self.ended)

    def end(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self.process.kill()
        self.process.join()

    def outcome(self) -> Outcome:
        """What the process left, with the stage in which it ended."""
        try:
            found = Outcome.load(self.path)
        except RunError:
            stage = Stage(name="build", state="failed", told=self.ended or f"ended: exit {self.process.exitcode}")
            return Outcome(member=self.member, versions=versions(), stages=(stage,))
        if self.ended or self.process.exitcode:
            how = self.ended or f"the process ended with {self.process.exitcode}"
            last = found.stages[-1].model_copy(
                update={"state": "failed", "told": how, "seconds": round(time.monotonic() - self.started, 1)}
            )
            found = found.model_copy(update={"stages": (*found.stages[:-1], last)})
        return found

    def clear(self, keep: Path | None) -> None:
        if keep is not None:
            shutil.rmtree(keep / self.member.key, ignore_errors=True)
            shutil.move(self.place, keep / self.member.key)
        shutil.rmtree(self.place, ignore_errors=True)
        self.path.unlink(missing_ok=True)


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _work(member: str, place: Path, path: Path, limit: int, commit: str) -> None:
    from .trying import try_member

    try_member(Member.model_validate_json(member), place, path, limit, commit)

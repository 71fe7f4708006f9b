"""Many short lives of one run, each forked from a parent that has imported all, and what a run must be in the end.

Torch takes seconds to import and a fork takes none, so a test can afford dozens of processes.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubslice.artefacts.lock import LOCK, Lock
from hubslice.artefacts.report import Report
from tests.run.tiny import RECIPE

# One baseline, one epoch, one threat model: all kinds of steps in seconds.
SMALL = (
    RECIPE.replace("[finetune, retrain, magnitude, random]", "[finetune]")
    .replace(", clean_teacher: ./teacher", "")
    .replace("eps: [4, 8], steps: 2", "eps: [8], steps: 2, objectives: [guided]")
    .replace("epochs: 2", "epochs: 1")
)


def fork(life: Callable[[], object]) -> int:
    """Live in a child of this process; gives its id. It ends with 0, or 1 after an error, and cleans nothing up."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        life()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def outlive(pid: int) -> int:
    """Wait for a child; gives its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def import_what(life: Callable[[], object], note: Path) -> None:
    """Import here all that `life`, lived in a child, imports there."""

    def noting() -> None:
        life()
        note.write_text("\n".join(sys.modules))

    assert outlive(fork(noting)) == 0
    for name in note.read_text().splitlines():
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def lock_of(run: Path) -> Lock:
    """The run's lock without the checksum of the report, which tells of time."""
    lock = Lock.load(run / LOCK)
    return lock.model_copy(update={"files": tuple(file for file in lock.files if file.path != "report.json")})


def result(run: Path) -> dict[str, Any]:
    """All of a finished run that does not tell of time and place: the student's files by sha256, report and lock."""
    found: dict[str, Any] = {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("student", "evidence")
        for path in sorted((run / folder).rglob("*"))
        if path.is_file() and path.name not in {"report.json", "README.md", LOCK}
    }
    report = Report.load(run / "report.json").model_dump(mode="json", exclude={"steps"})
    sliced = hashlib.sha256((run / "slice.safetensors").read_bytes()).hexdigest()
    return found | {"slice": sliced, "report": report, "lock": lock_of(run)}


def strays(run: Path) -> list[str]:
    """What a finished run should not hold: drafts, working folders, notes of who works there."""
    return sorted(
        path.relative_to(run).as_posix()
        for path in run.rglob("*")
        if path.name.startswith(".") and path.name not in {".running", ".key"}
    )

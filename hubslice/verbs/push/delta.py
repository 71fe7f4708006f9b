"""Store a run's student as its delta to the teacher pinned by its lock."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hubslice.artefacts.delta import DeltaFacts, read_delta, write_delta
from hubslice.artefacts.lock import LOCK, Lock
from hubslice.artefacts.model import FileFact
from hubslice.core.artefact import DRAFT
from hubslice.core.errors import IntegrityError, LineageError
from hubslice.core.machine import faults_told
from hubslice.core.whole_folder import put_tree, swap
from hubslice.files.names import DELTA, WEIGHTS
from hubslice.hub.integrity import digest
from hubslice.hub.pull import fetch
from hubslice.hub.ref import HubRef
from hubslice.hub.restore import teacher_tensors

FOLDER = "student-delta"  # in the run folder
LITTLE = 0.9  # share of the weights' size from which a delta saves too little
_WHOLE = "push the weights themselves: leave out --delta"


def make_delta(run: Path, student: Path) -> tuple[Path, DeltaFacts]:
    """Create a folder in the run with the student's files, in which the delta replaces the weights.

    Raises:
        LineageError: others could not fetch the teacher, or there is nothing to make a delta from.
        RunError: the lock cannot be read.
        FetchError: the teacher cannot be fetched.
        IntegrityError: it is not the one that the lock pins.
    """
    teacher = Lock.load(student / LOCK).models.get("pull")
    if teacher is None:
        raise LineageError("the student was trained without a teacher, so there is no difference", hint=_WHOLE)
    if teacher.repo_id is None or teacher.commit is None:
        raise LineageError(f"the teacher {teacher.model} is a local folder, which nobody else can fetch", hint=_WHOLE)
    pinned = tuple(file for file in teacher.files if file.path.endswith(".safetensors"))
    if not pinned or not (student / WEIGHTS).is_file():
        raise LineageError(f"student and teacher {teacher.repo_id} need safetensors for a difference", hint=_WHOLE)
    found = fetch(HubRef(teacher.model, teacher.repo_id, teacher.commit))
    there = {file.path: file.sha256 for file in found.files}
    for file in pinned:
        if there.get(file.path) != file.sha256:
            raise IntegrityError(
                f"{file.path} of {teacher.repo_id}@{teacher.commit[:12]} is not the file that the run's lock pins",
                hint=_WHOLE,
            )
    folder = run / FOLDER
    draft = folder.with_name(f".{FOLDER}.{os.getpid()}{DRAFT}")
    checked = digest(student / WEIGHTS)
    with faults_told(f"writing {folder}", folder):
        try:
            put_tree(student, draft, clear=True)
            (draft / WEIGHTS).unlink()
            facts = write_delta(
                draft / DELTA,
                (student / WEIGHTS).read_bytes(),
                FileFact(path=WEIGHTS, size=checked.size, sha256=checked.sha256),
                teacher_tensors(found.folder, pinned),
                model=teacher.repo_id,
                commit=teacher.commit,
                files=pinned,
            )
            swap(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder, facts


def little_saved(folder: Path, facts: DeltaFacts) -> str | None:
    """Return why the delta in a folder is hardly smaller than the weights; None if it is.

    Raises:
        RunError: the delta is damaged.
    """
    share = facts.size / facts.student.size
    if share < LITTLE:
        return None
    stored = read_delta(folder / DELTA)
    why = "most bits of the weights changed"
    if 2 * stored.differences < len(stored.parts):
        few = f"only {stored.differences}" if stored.differences else "none"
        why = (
            f"{few} of its {len(stored.parts)} tensors has name, type and shape of one in the teacher's files, "
            "and what has not is kept as it is"
        )
    return f"the difference takes {share:.0%} of the size of the weights: {why}; {_WHOLE}"

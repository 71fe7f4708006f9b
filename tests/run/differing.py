"""A finished student as a folder with the difference to its teacher in place of its weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from hubslice.artefacts.delta import write_delta
from hubslice.artefacts.model import FileFact
from hubslice.hub.integrity import digest
from hubslice.hub.restore import teacher_tensors
from tests.fake_hub import HubServer
from tests.run.quick import quick_run


def student_as_delta(hub: HubServer, folder: Path, teacher: str = "lab/teacher") -> Path:
    """The student of the finished run, whose teacher is put on the Hub."""
    source = quick_run().parent / "teacher"
    commit = hub.seed(teacher, source).oid
    shutil.copytree(quick_run() / "student", folder)
    weights = folder / "model.safetensors"
    facts, pinned = fact(weights), (fact(source / "model.safetensors"),)
    get = teacher_tensors(source, pinned)
    content = weights.read_bytes()
    weights.unlink()
    write_delta(folder / "delta.safetensors", content, facts, get, model=teacher, commit=commit, files=pinned)
    return folder


def fact(path: Path) -> FileFact:
    found = digest(path)
    return FileFact(path=path.name, size=found.size, sha256=found.sha256)

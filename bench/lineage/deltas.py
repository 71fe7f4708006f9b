"""How much smaller a student is as the difference to its teacher, and that it comes back whole."""

from __future__ import annotations

import time
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from hubslice.artefacts.delta import write_delta
from hubslice.artefacts.model import FileFact
from hubslice.core.artefact import Artefact
from hubslice.files.names import DELTA, WEIGHTS
from hubslice.hub.integrity import digest
from hubslice.hub.restore import restore, teacher_tensors

from ..environment import environment
from ..machine import Machine

COMMIT = "0" * 40  # of a teacher that lies here, not on a Hub


class Difference(Artefact):
    """A student's file, the same compressed alone, and its difference to the teacher, in bytes; seconds both ways."""

    name: str
    form: str
    whole: int
    alone: int
    difference: int
    exact: bool
    making: float
    restoring: float


class Differences(Artefact):
    """Those of one teacher's students."""

    name: str
    found: tuple[Difference, ...]
    machine: str


def differences(name: str, teacher: Path, students: dict[str, Path]) -> Differences:
    """Make each student's difference to the teacher, restore it, and compare every byte."""
    found = tuple(_difference(name, form, teacher, folder) for form, folder in students.items())
    return Differences(name=name, found=found, machine=Machine.here(torch.get_num_threads()).line)


def _difference(name: str, form: str, teacher: Path, student: Path) -> Difference:
    content = (student / WEIGHTS).read_bytes()
    pinned = (_fact(teacher / WEIGHTS),)
    with TemporaryDirectory() as place, environment(HUBSLICE_CACHE=f"{place}/cache"):
        folder = Path(place) / "student"
        folder.mkdir()
        started = time.perf_counter()
        write_delta(
            folder / DELTA,
            content,
            _fact(student / WEIGHTS),
            teacher_tensors(teacher, pinned),
            model="lab/teacher",
            commit=COMMIT,
            files=pinned,
        )
        middle = time.perf_counter()
        made, _ = restore(folder, [_fact(folder / DELTA)], lambda _: (teacher, pinned))
        ended = time.perf_counter()
        return Difference(
            name=name,
            form=form,
            whole=len(content),
            alone=len(zlib.compress(content, 6)),
            difference=(folder / DELTA).stat().st_size,
            exact=(made / WEIGHTS).read_bytes() == content,
            making=round(middle - started, 3),
            restoring=round(ended - middle, 3),
        )


def _fact(path: Path) -> FileFact:
    found = digest(path)
    return FileFact(path=path.name, size=found.size, sha256=found.sha256)

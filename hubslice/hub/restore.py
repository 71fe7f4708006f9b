"""Restore a model that was published as a delta to its teacher."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from hubslice.artefacts.delta import DeltaFacts, Stored, Teacher, read_delta, restored
from hubslice.artefacts.model import FileFact
from hubslice.core.artefact import DRAFT
from hubslice.core.errors import FetchError, IntegrityError, RunError
from hubslice.core.foreign_errors import message_of
from hubslice.files.names import DELTA, WEIGHTS
from hubslice.files.tensor_header import TensorInfo
from hubslice.files.tensor_parts import Piece, Tensors
from hubslice.hub.integrity import digest
from hubslice.hub.local_tensors import add_local
from hubslice.hub.ref import HubRef, check_repo_id

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")

# Fetches the teacher: returns its folder, and the facts of its files.
Fetch = Callable[[HubRef], tuple[Path, Sequence[FileFact]]]


def cache_folder() -> Path:
    """Return the cache folder of models derived from fetched files: HUBSLICE_CACHE, or a folder of the user's."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "hubslice"
    return Path(os.environ.get("HUBSLICE_CACHE", default)).expanduser()


def delta_in(folder: Path) -> DeltaFacts:
    """Return the facts stored in a folder's delta.

    Raises:
        RunError: it is missing or damaged.
    """
    path = folder / DELTA
    return read_delta(path).facts.model_copy(update={"size": path.stat().st_size})


def restore(folder: Path, files: Sequence[FileFact], fetch: Fetch) -> tuple[Path, tuple[FileFact, ...]]:
    """Return a folder with the restored model of the delta in `folder`, and its file facts including `files`.

    A model restored earlier is reused if its checksum is still correct.

    Raises:
        RunError: the delta is damaged.
        LineageError: its version is not supported.
        FetchError: the teacher cannot be fetched.
        IntegrityError: the teacher is not the one that the delta was made from, or the result has another checksum.
    """
    stored = read_delta(folder / DELTA)
    facts = stored.facts
    found = tuple(sorted((*(f for f in files if f.path != DELTA), facts.student), key=lambda fact: fact.path))
    (own,) = (fact.sha256 for fact in files if fact.path == DELTA)
    target = cache_folder() / "restored" / own
    if (target / WEIGHTS).is_file() and digest(target / WEIGHTS).sha256 == facts.student.sha256:
        _companions(folder, files, target)
        return target, found
    if not _COMMIT.fullmatch(facts.commit):
        raise RunError(f"{folder / DELTA} pins its teacher to {facts.commit[:60]!r}, which is no commit")
    teacher = _teacher(facts, fetch)
    draft = target.with_name(f".{target.name}.{os.getpid()}{DRAFT}")
    try:
        draft.mkdir(parents=True, exist_ok=True)
        with (draft / WEIGHTS).open("wb") as file:
            sha256 = _write(stored, teacher, file, folder / DELTA)
        if sha256 != facts.student.sha256:
            raise IntegrityError(
                f"{folder / DELTA} and {facts.teacher} make weights of sha256 {sha256}, not {facts.student.sha256}",
                hint="the difference is damaged; fetch it again",
            )
        _companions(folder, files, draft)
        shutil.rmtree(target, ignore_errors=True)
        draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target, found


def teacher_tensors(folder: Path, files: Sequence[FileFact]) -> Teacher:
    """Return the teacher's tensors in the safetensors files among `files`."""
    weights = [file.path for file in files if file.path.endswith(".safetensors")]
    held = Tensors(str(folder))
    for path in weights:
        add_local(held, folder / path, f"{folder}: {path}", set())

    def get(name: str, info: TensorInfo) -> bytes | None:
        same = held.infos.get(name)
        if same is None or (same.dtype, same.shape) != (info.dtype, info.shape):
            return None
        return held.read([Piece(name, 0, same.size)])[0]

    return get


def _teacher(facts: DeltaFacts, fetch: Fetch) -> Teacher:
    name = f"{facts.teacher}@{facts.commit[:12]}"
    try:
        folder, files = fetch(HubRef(name, check_repo_id(facts.teacher), facts.commit))
    except FetchError as error:
        raise FetchError(
            f"the model is a difference to its teacher {name}, and without that there are no weights: {error.headline}",
            hint=error.hint,
        ) from error
    there = {file.path: file for file in files}
    for pinned in facts.files:
        held = there.get(pinned.path)
        if held is None or held.sha256 != pinned.sha256:
            now = "is not there" if held is None else f"now has sha256 {held.sha256}"
            raise IntegrityError(
                f"the teacher {name} has changed: {pinned.path} {now}, the difference was made against {pinned.sha256}",
                hint="ask the publisher for the weights themselves: `hubslice push RUN OWNER/NAME` without --delta",
            )
    return teacher_tensors(folder, facts.files)


def _write(stored: Stored, teacher: Teacher, file: BinaryIO, source: Path) -> str:
    """Write the model's file; returns its SHA-256."""
    sha256 = hashlib.sha256(stored.start)
    file.write(stored.start)
    for name, _ in sorted(stored.header.tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        try:
            data = restored(stored, name, teacher)
        except (ValueError, LookupError) as error:
            raise RunError(
                f"{source} cannot be put together: {name}: {message_of(error)}", hint="fetch the file again"
            ) from error
        sha256.update(data)
        file.write(data)
    return sha256.hexdigest()


def _companions(folder: Path, files: Sequence[FileFact], target: Path) -> None:
    for file in files:
        if file.path != DELTA:
            place = target / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file.path, place)

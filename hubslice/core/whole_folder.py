"""Create and replace folders and files atomically."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from hubslice.core.artefact import DRAFT
from hubslice.core.errors import InputError
from hubslice.core.machine import faults_told

OLD = ".old"  # suffix of a folder that is being replaced


def put_file(source: Path, target: Path) -> None:
    """Hard-link tensors where possible, since they are large; copy files that users may edit in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".safetensors":
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without links
            pass
    shutil.copyfile(source, target)


def put_tree(source: Path, target: Path, *, clear: bool = False) -> None:
    """Put the files of `source` under `target`, tensors as hard links where possible; `clear` empties it first."""
    if clear:
        shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        put_file(path, target / path.relative_to(source))


def check_free(target: Path, ours: Collection[str]) -> None:
    """Check that replacing the folder `target` deletes only files with names in `ours`.

    Raises:
        InputError: `target` is a file, or contains something else.
    """
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is a file, not a folder", hint="choose another folder with --out")
    if target.is_dir() and (foreign := sorted(path.name for path in target.iterdir() if path.name not in ours)):
        raise InputError(
            f"{target} holds {foreign[0]}, which this command does not write; nothing there is replaced",
            hint="choose another folder with --out",
        )


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `target` at the end; after an error nothing of it is left.

    Raises:
        HubsliceError: the disk is full or not writable.
    """
    draft = target.with_name(f".{target.name}{DRAFT}")
    with faults_told(f"writing {target}", target):
        shutil.rmtree(draft, ignore_errors=True)
        try:
            draft.mkdir(parents=True)
            yield draft
            swap(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def swap(fresh: Path, target: Path) -> None:
    """Move `fresh` to `target`; a folder is moved aside first, since a rename replaces only empty ones."""
    old = target.with_name(f".{target.name}{OLD}")
    if target.is_dir():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    fresh.replace(target)
    if fresh.is_file():  # if both are hard links to one file, a rename does nothing
        fresh.unlink()
    shutil.rmtree(old, ignore_errors=True)

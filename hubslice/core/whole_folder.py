"""Folders and files put in their places whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from hubslice.core.artefact import DRAFT
from hubslice.core.errors import InputError
from hubslice.core.machine import faults_told

OLD = ".old"  # ends the name of what is being replaced by something new


def put_file(source: Path, target: Path) -> None:
    """Tensors, which are large, as a link where possible; of what people may edit in place a copy of its own."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".safetensors":
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without links
            pass
    shutil.copyfile(source, target)


def put_tree(source: Path, target: Path, *, clear: bool = False) -> None:
    """Put the files of `source` under `target`, tensors as links where possible; `clear` empties it first."""
    if clear:
        shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        put_file(path, target / path.relative_to(source))


def check_free(target: Path, ours: Collection[str]) -> None:
    """Make sure that replacing the folder `target` takes away nothing but files called as `ours` are.

    Raises:
        InputError: it is a file, or holds something else.
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
    """A folder to write into, which takes the place of `target` at the end; nothing is left of it after an error.

    Raises:
        HubsliceError: the disk is full, or may not be written to.
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
    """Put `fresh` where `target` is; a folder is moved aside first, since a rename cannot replace a full one."""
    old = target.with_name(f".{target.name}{OLD}")
    if target.is_dir():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    fresh.replace(target)
    if fresh.is_file():  # both were links to one file; a rename then does nothing
        fresh.unlink()
    shutil.rmtree(old, ignore_errors=True)

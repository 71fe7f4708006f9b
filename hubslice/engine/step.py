"""A step: frozen parameters, named inputs, one function from folders to a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel

from hubslice.artefacts.report import Environment
from hubslice.core.artefact import Artefact
from hubslice.core.progress import Reporter
from hubslice.recipe.section import decisive


@dataclass(frozen=True)
class Context:
    """What a step's function gets: where to write, the folders of its inputs by step name, and how to work.

    `out` survives a kill: what a long step leaves there as checkpoints is there again when the step is run again with
    the same key. Files under `out/scratch` are dropped when the step is done.
    """

    out: Path
    inputs: Mapping[str, Path]
    device: torch.device
    reporter: Reporter

    @property
    def scratch(self) -> Path:
        """A folder for checkpoints, emptied when the step is done."""
        folder = self.out / SCRATCH
        folder.mkdir(exist_ok=True)
        return folder


SCRATCH = "scratch"


@dataclass(frozen=True)
class Step:
    """One arrow of the flow.

    `name` is the kind; behind a dot stands the arm where it is not the student's (`train.finetune`). `parameters` are
    all that decides the result beside the inputs, and not what is only speed; `version` rises when the code's result
    changes. Where several processes work on a run, all of them run a `shared` step together, and the leading one runs
    the others.
    """

    name: str
    title: str
    parameters: Mapping[str, object]
    inputs: tuple[str, ...]
    run: Callable[[Context], None]
    version: int = 1
    shared: bool = False

    @property
    def kind(self) -> str:
        """The name without the arm."""
        return self.name.split(".")[0]

    def key(self, digests: Mapping[str, str]) -> str:
        """Hash of name, version, parameters and the content of the inputs (`digests`, by step name)."""
        content = {
            "step": self.name,
            "version": self.version,
            "parameters": self.parameters,
            "inputs": {name: digests[name] for name in self.inputs},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return decisive(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be part of a step's parameters")


class StepRecord(Artefact):
    """Beside a finished step's files: its key, a digest of their content, what it cost, and what computed it."""

    name: str
    key: str
    digest: str
    size: int  # bytes of all files
    seconds: float
    peak_mib: float
    device: str
    environment: Environment | None = None  # None: of a version that did not note it


def digest_folder(folder: Path, *, leave_out: Set[str]) -> tuple[str, int]:
    """Hash over the paths and contents of a folder's files, and their size in bytes.

    What in it is named in `leave_out`, file or folder, does not count.
    """
    digest, size = hashlib.sha256(), 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        place = path.relative_to(folder)
        if place.parts[0] in leave_out:
            continue
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{place.as_posix()} {content}\n".encode())
        size += path.stat().st_size
    return digest.hexdigest(), size

"""A step of a run as a dataclass whose fields form its cache key."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pydantic import BaseModel

from hubslice.artefacts.report import Environment
from hubslice.core.artefact import Artefact
from hubslice.core.cost import Cost, Workload
from hubslice.core.progress import Reporter
from hubslice.engine.opened import Opened
from hubslice.recipe.section import decisive

if TYPE_CHECKING:
    import torch

    from hubslice.models.base import Model
    from hubslice.task.task import Task

SCRATCH = "scratch"
T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """The context of a running step: its output folder, the folders of its inputs by step name, and how to work.

    `out` survives a kill: checkpoints that a long step leaves in it are still there when the step runs again with the
    same key. Files under `out/scratch` are deleted when the step is done.
    """

    out: Path
    inputs: Mapping[str, Path]
    device: torch.device
    reporter: Reporter
    made_by: Mapping[str, Step] = field(default_factory=dict)  # the steps that produced the inputs
    opened: Opened = field(default_factory=Opened)

    @property
    def scratch(self) -> Path:
        """A folder for checkpoints, deleted when the step is done."""
        folder = self.out / SCRATCH
        folder.mkdir(exist_ok=True)
        return folder

    def open(self, name: str, kind: type[T]) -> T:
        """Open the result of the input step `name`, with the `open` method of that step.

        Raises:
            HubsliceError: its files are damaged or missing.
        """
        found = self.opened.get(self.made_by[name], self.inputs[name])
        if not isinstance(found, kind):
            raise TypeError(f"step {name} holds a {type(found).__name__}, not a {kind.__name__}")
        return found

    def model(self, name: str) -> Model:
        """Return the model of the input `name`; the caller may train, move and change it.

        Raises:
            ModelError: its files are damaged or missing.
        """
        from hubslice.models.base import Model

        return self.open(name, Model)  # type: ignore[type-abstract]

    def task(self) -> Task:
        """Return the task's data as the step `data` saw it.

        Raises:
            DataError: the data has changed since then.
        """
        from hubslice.task.task import Task

        return self.open("data", Task)


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """One step of the pipeline.

    The fields, except those named in `free`, and the inputs determine the result completely. Fields in `free` do not
    affect it: titles, the base folder of paths, a consent. Increase `version` when the code gives a different result
    for the same fields and inputs. Where several processes work on a run, all of them run a `shared` step together, and
    the leading one runs the others.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    shared: ClassVar[bool] = False
    free: ClassVar[frozenset[str]] = frozenset()
    kept: ClassVar[bool] = False  # what `open` returns is kept for later steps of the run
    weight_copies: ClassVar[int] = 1  # number of copies of a model's weights it holds in memory

    suffix: str = ""  # the arm, if it is not the student's; the defect of an audit

    @property
    def name(self) -> str:
        """The kind, followed by a dot and the suffix if there is one, such as `train.finetune`."""
        return f"{self.kind}.{self.suffix}" if self.suffix else self.kind

    @property
    @abstractmethod
    def title(self) -> str:
        """What the step does, in a few words."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the steps whose results this step reads."""
        return ()

    @abstractmethod
    def run(self, context: Context) -> None:
        """Do the work: read `context.inputs`, write below `context.out`."""

    def cost(self, work: Workload) -> Cost:
        """Return the estimated cost on this machine, where it can be estimated."""
        return Cost(0.0, 0)

    def open(self, folder: Path) -> object:
        """Return what later steps work with, read from the finished step's folder; for most steps nothing but files."""
        raise TypeError(f"step {self.name} leaves files, and nothing that is opened")

    def opening(self) -> Mapping[str, object]:
        """Return the fields that affect how `open` reads the folder."""
        return {}

    def lend(self, opened: object) -> object:
        """Return what a later step gets of a kept result: a copy if it may be changed."""
        return opened

    def key(self, seen: Mapping[str, str]) -> str:
        """Return a hash of name, version, fields and inputs; `seen` maps input steps to their `Step.seen`."""
        content = {
            "step": self.name,
            "version": self.version,
            "fields": {each.name: getattr(self, each.name) for each in fields(self) if each.name not in self.free},
            "inputs": {name: seen[name] for name in self.inputs},
        }
        return _hash(content)

    def seen(self, digest: str) -> str:
        """Return how later steps identify this result: by its content, and by the fields that affect `open`."""
        opening = self.opening()
        return _hash({"content": digest, "opening": opening}) if opening else digest


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return decisive(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be a field of a step")


class StepRecord(Artefact):
    """Stored beside a finished step's files: its key, a digest of their content, its cost, and its environment."""

    name: str
    key: str
    digest: str
    size: int  # bytes of all files
    seconds: float
    peak_mib: float
    device: str
    environment: Environment | None = None  # None: written by a version that did not record it


def digest_folder(folder: Path, *, leave_out: Set[str]) -> tuple[str, int]:
    """Return a hash over the paths and contents of a folder's files, and their size in bytes.

    Files and folders named in `leave_out` are ignored.
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

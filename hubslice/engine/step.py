"""A step of a run, as a value: its fields are its cache key."""

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
    """What a step gets: where to write, the folders of its inputs by step name, and how to work.

    `out` survives a kill: what a long step leaves there as checkpoints is there again when the step is run again with
    the same key. Files under `out/scratch` are dropped when the step is done.
    """

    out: Path
    inputs: Mapping[str, Path]
    device: torch.device
    reporter: Reporter
    made_by: Mapping[str, Step] = field(default_factory=dict)  # the steps that made the inputs
    opened: Opened = field(default_factory=Opened)

    @property
    def scratch(self) -> Path:
        """A folder for checkpoints, emptied when the step is done."""
        folder = self.out / SCRATCH
        folder.mkdir(exist_ok=True)
        return folder

    def open(self, name: str, kind: type[T]) -> T:
        """What the input `name` holds, as the step that made it opens it.

        Raises:
            HubsliceError: its files are damaged or gone.
        """
        found = self.opened.get(self.made_by[name], self.inputs[name])
        if not isinstance(found, kind):
            raise TypeError(f"step {name} holds a {type(found).__name__}, not a {kind.__name__}")
        return found

    def model(self, name: str) -> Model:
        """The model that the input `name` holds; the caller may train it, place it and change it.

        Raises:
            ModelError: its files are damaged or gone.
        """
        from hubslice.models.base import Model

        return self.open(name, Model)  # type: ignore[type-abstract]

    def task(self) -> Task:
        """The task's data, as the step `data` saw it.

        Raises:
            DataError: the data has changed since.
        """
        from hubslice.task.task import Task

        return self.open("data", Task)


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """One arrow of the flow.

    The fields are all that decides the result beside the inputs. Those named in `free` decide nothing of it: words, the
    folder that paths start from, a consent. `version` rises when the code gives another result for the same fields and
    inputs. Where several processes work on a run, all of them run a `shared` step together, and the leading one runs
    the others.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    shared: ClassVar[bool] = False
    free: ClassVar[frozenset[str]] = frozenset()
    kept: ClassVar[bool] = False  # what `open` gives is kept for later steps of the run
    weight_copies: ClassVar[int] = 1  # how often it holds a model's weights in memory

    suffix: str = ""  # the arm, where it is not the student's; the defect of an audit

    @property
    def name(self) -> str:
        """The kind; behind a dot the suffix, such as `train.finetune`."""
        return f"{self.kind}.{self.suffix}" if self.suffix else self.kind

    @property
    @abstractmethod
    def title(self) -> str:
        """What the step does, in a few words."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the steps whose results it reads."""
        return ()

    @abstractmethod
    def run(self, context: Context) -> None:
        """Do it: read `context.inputs`, write below `context.out`."""

    def cost(self, work: Workload) -> Cost:
        """What it takes on this machine, where that can be told before."""
        return Cost(0.0, 0)

    def open(self, folder: Path) -> object:
        """What later steps work with, out of the finished step's folder; of most steps that is files alone."""
        raise TypeError(f"step {self.name} leaves files, and nothing that is opened")

    def opening(self) -> Mapping[str, object]:
        """What of the step decides how `open` reads its folder."""
        return {}

    def lend(self, opened: object) -> object:
        """What a later step gets of what is kept: a copy where it may be changed."""
        return opened

    def key(self, seen: Mapping[str, str]) -> str:
        """Hash of name, version, fields and inputs; `seen` tells inputs by step name, as `Step.seen` does."""
        content = {
            "step": self.name,
            "version": self.version,
            "fields": {each.name: getattr(self, each.name) for each in fields(self) if each.name not in self.free},
            "inputs": {name: seen[name] for name in self.inputs},
        }
        return _hash(content)

    def seen(self, digest: str) -> str:
        """How later steps tell this result from another: by its content, and by what decides how it is opened."""
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

"""Open a model by its name: a Hub id, a run, a model folder, or an ONNX graph."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hubslice.core.progress import SILENT, Reporter
from hubslice.hub.pull import Fetched, fetch
from hubslice.hub.ref import Ref, graph_at, parse_ref
from hubslice.models.base import Model
from hubslice.models.folder import load_model

Kind = Literal["hub", "folder", "run", "onnx"]


@dataclass(frozen=True)
class OpenedModel:
    """A model of a stock library, in PyTorch; `name` is what the user calls it."""

    name: str
    kind: Kind
    model: Model
    fetched: Fetched

    @property
    def fingerprint(self) -> str:
        """A hash of the content of its files."""
        files = sorted((file.path, file.sha256) for file in self.fetched.files)
        return hashlib.sha256(json.dumps(files).encode()).hexdigest()


@dataclass(frozen=True)
class OpenedGraph:
    """An ONNX file, which ONNX Runtime runs; nothing of it has been read."""

    name: str
    path: Path


def open_model(
    name: str, *, input_size: int | None = None, reporter: Reporter = SILENT, ref: Ref | None = None
) -> OpenedModel | OpenedGraph:
    """The model called `name`, in evaluation mode on the CPU; `ref` is what the name was parsed to, if it was.

    Raises:
        InputError: there is no such model.
        FetchError: the Hub does not give it.
        ModelError: its files cannot be used.
    """
    ref = ref or parse_ref(name, Path.cwd())
    graph = graph_at(ref)
    if graph is not None:
        return OpenedGraph(name, graph)
    fetched = fetch(ref, reporter=reporter)
    return OpenedModel(name, ref.kind, load_model(fetched.folder, input_size=input_size), fetched)

"""Open a model from any source for tracing: load it, name it, and prepare images for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hubslice.core.progress import Reporter
from hubslice.hub.ref import LocalRef, Ref

if TYPE_CHECKING:
    from hubslice.artefacts.model import Preprocessing
    from hubslice.models.base import Model
    from hubslice.task.user_inputs import UserInputs
    from hubslice.tracing.network import Arrays
    from hubslice.tracing.traceable import TraceableModel

BATCH = 8  # samples at a time when only means are computed


def short_name(ref: Ref) -> str:
    """Return a name for folders about a model; a graph called `model` is named after its folder.

    `convert` writes such graphs.
    """
    if isinstance(ref, LocalRef):
        path = ref.path.resolve()
        return path.parent.name if path.name == "model.onnx" else path.stem if ref.kind == "onnx" else path.name
    return ref.repo_id.rpartition("/")[2]


@dataclass(frozen=True)
class Opened:
    """A model before it is exported, with what is known of it and how to continue."""

    labels: tuple[str, ...]
    preprocessing: Preprocessing
    subject: Callable[[], TraceableModel]
    model: Model | None = None  # None: it is a graph


def open_traceable(ref: Ref, input_size: int | None, reporter: Reporter) -> Opened:
    """A model of whatever home, or a graph file, fetched but not yet exported."""
    from hubslice.models.opening import OpenedGraph, open_model
    from hubslice.tracing.traceable import GraphFile, traceable_of

    found = open_model(str(ref), input_size=input_size, reporter=reporter, ref=ref)
    if isinstance(found, OpenedGraph):
        graph = GraphFile.open(found.path)
        return Opened(graph.labels, graph.preprocessing, graph.subject)
    model = found.model
    preprocessing = model.image_preprocessing
    model.check_answers()
    return Opened(model.labels, preprocessing, partial(traceable_of, model), model)


@dataclass(frozen=True)
class Prepared:
    """Images prepared for the model's graph, in batches."""

    subject: TraceableModel
    given: UserInputs

    def __len__(self) -> int:
        return len(self.given)

    def batch(self, start: int, stop: int) -> Arrays:
        """Return samples `start` to `stop`, normalised, by the name of the graph's input."""
        return {self.subject.input: self.subject.prepare(self.given.pixels(start, stop).numpy())}

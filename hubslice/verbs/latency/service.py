"""Compare the cost of running models on this machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from hubslice.core.device import resolve_device
from hubslice.core.errors import InputError
from hubslice.core.progress import Reporter
from hubslice.verbs.latency.facts import LatencyReport, ModelCost, Timing
from hubslice.verbs.latency.params import LatencyParams

if TYPE_CHECKING:
    from hubslice.models.base import Model

SECONDS = 60.0  # maximum for one batch size; slow models get fewer rounds

Size = tuple[int, int, int]


@dataclass(frozen=True)
class _TimedModel:
    """A model with the user's name for it, and its input; `model` is None if `graph` is the user's own."""

    name: str
    kind: Literal["hub", "folder", "run", "onnx"]
    shape: tuple[int | None, ...]  # of an image [C, H, W]; None: dynamic
    parameters: int
    file_bytes: int
    graph: Path
    model: Model | None


def measure_latency(params: LatencyParams, reporter: Reporter) -> LatencyReport:
    """Measure time, memory and size of all models."""
    if not params.models or not params.batches or min(params.batches) < 1 or params.rounds < 1:
        raise InputError("name a model, batches of 1 or more, and a round or more")
    import onnxruntime
    import torch

    from hubslice.graph.deployable import write_onnx
    from hubslice.graph.runner import open_runner
    from hubslice.verbs.latency.macs import count_macs
    from hubslice.verbs.latency.memory import added_bytes

    batches, threads, input_size = tuple(dict.fromkeys(params.batches)), params.threads, params.input_size
    where = str(resolve_device(params.device))
    with tempfile.TemporaryDirectory(prefix="hubslice-") as folder:
        subjects = [
            _subject(os.fspath(model), Path(folder, f"{index}.onnx"), input_size, reporter)
            for index, model in enumerate(params.models)
        ]
        size = _common_size(subjects, input_size)
        for subject in subjects:
            if subject.model is not None:
                with reporter.track(f"Export {subject.name}", None, ""):
                    write_onnx(subject.model, subject.graph)
        runners = [open_runner(subject.name, subject.graph, where, threads) for subject in subjects]
        calls = {batch: [runner.call(batch, size) for runner in runners] for batch in batches}
        times = _times(calls, params.rounds, reporter)
        costs: list[ModelCost] = []
        for index, (subject, runner) in enumerate(zip(subjects, runners, strict=True)):
            added = None
            if params.memory:
                with reporter.track(f"Memory of {subject.name}", None, ""):
                    added = added_bytes(subject.name, subject.graph, where, threads, max(batches), size) / 2**20
            costs.append(
                ModelCost(
                    model=subject.name,
                    kind=subject.kind,
                    parameters=subject.parameters,
                    file_bytes=subject.file_bytes,
                    macs=count_macs(subject.graph, runner.input, (runner.shape[0] or 1, *runner.own_order(size))),
                    added_mib=added,
                    timings=tuple(_timing(batch, times[batch], index) for batch in batches),
                    ratios={},
                )
            )
    return LatencyReport(
        device=where,
        provider=runners[0].session.provider,
        runtime=f"onnxruntime {onnxruntime.__version__}",
        threads=threads or torch.get_num_threads(),
        input_size=size,
        models=tuple(cost.model_copy(update={"ratios": _ratios(cost, costs[0])}) for cost in costs),
    )


def _subject(text: str, graph: Path, input_size: int | None, reporter: Reporter) -> _TimedModel:
    """Load the model; `graph` is where its graph will be written, unless it is a graph itself."""
    from hubslice.graph.runner import open_runner
    from hubslice.models.opening import OpenedGraph, open_model
    from hubslice.verbs.latency.macs import count_weights, file_bytes

    opened = open_model(text, input_size=input_size, reporter=reporter)
    if isinstance(opened, OpenedGraph):
        path = opened.path
        shape = open_runner(text, path, "cpu", 1).shape[1:]  # before anything else is read from it
        return _TimedModel(text, "onnx", shape, count_weights(path), file_bytes(path), path, None)
    model = opened.model
    weights = sum(file.size for file in opened.fetched.files if file.path.endswith(".safetensors"))
    return _TimedModel(text, opened.kind, model.image_preprocessing.input_size, model.parameters, weights, graph, model)


def _common_size(subjects: Sequence[_TimedModel], input_size: int | None) -> Size:
    """Return the size [C, H, W] of images that all models take.

    Raises:
        InputError: they take different ones, or the size is unknown.
    """
    wanted: list[int | None] = [None, input_size, input_size]
    said = "--input-size"
    for subject in subjects:
        for axis, size in enumerate(subject.shape):
            if size is not None and wanted[axis] not in (None, size):
                raise InputError(
                    f"{subject.name} takes images of {_words(subject.shape)}, {said} of {_words(wanted)}: their "
                    "times cannot be compared",
                    hint="give --input-size PIXELS, or measure models of the same input",
                )
        if any(size is not None for size in subject.shape):
            wanted = [own if own is not None else known for own, known in zip(subject.shape, wanted, strict=True)]
            said = subject.name
    if wanted[1] is None or wanted[2] is None:
        raise InputError(f"{subjects[0].name} takes images of any size", hint="say which with --input-size PIXELS")
    return wanted[0] or 3, wanted[1], wanted[2]


def _words(shape: Sequence[int | None]) -> str:
    return " x ".join("?" if size is None else str(size) for size in shape)


def _times(
    calls: Mapping[int, Sequence[Callable[[], object]]], rounds: int, reporter: Reporter
) -> dict[int, np.ndarray]:
    from hubslice.verbs.latency.clock import alternate

    found = {}
    for batch, row in calls.items():
        with reporter.track(f"Time batches of {batch}", rounds, "rounds") as bar:
            found[batch] = alternate(row, rounds, SECONDS, bar.advance)
    return found


def _timing(batch: int, times: np.ndarray, index: int) -> Timing:
    from hubslice.verbs.latency.clock import ratios

    own = 1000 * times[:, index]
    low, median, high = np.percentile(own, (10, 50, 90))
    return Timing(
        batch=batch,
        median_ms=float(median),
        p10_ms=float(low),
        p90_ms=float(high),
        ratio=float(ratios(times)[index]),
        runs=own.size,
    )


def _ratios(cost: ModelCost, first: ModelCost) -> dict[str, float]:
    fields = ("parameters", "file_bytes", "macs", "added_mib")
    pairs = {name: (getattr(cost, name), getattr(first, name)) for name in fields}
    return {name: own / other for name, (own, other) in pairs.items() if own is not None and other}

"""Run a model repeatedly on several software stacks, and record what a profiler sees."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.errors import DiskError, GateError, InputError, LineageError, MemoryShortError
from hubslice.core.progress import Reporter
from hubslice.engine.environment import environment
from hubslice.graph.session import Level
from hubslice.verbs.execution.facts import Settings, Site
from hubslice.verbs.execution.record_ort import record_ort
from hubslice.verbs.execution.stacks import OF_GRAPHS, Exporter, Stack
from hubslice.verbs.execution.trace import Pattern, Trace

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from hubslice.models.base import Model

SEED = 0  # of the inputs, whose values only have to be the same in all runs
SOFTWARE = ("torch", "onnxruntime-gpu", "onnxruntime")


@dataclass(frozen=True)
class Wanted:
    """What is recorded: `runs` inferences on each stack, of `batch` inputs; `input_size` as for `load_model`."""

    stacks: tuple[Stack, ...]
    runs: int
    batch: int
    threads: int
    input_size: int | None
    device: str  # "cpu" or "cuda:N"


@dataclass(frozen=True)
class Records:
    """A model's patterns, and why stacks are missing."""

    name: str
    architecture: str
    patterns: tuple[Pattern, ...]
    skipped: dict[str, str]


def record(name: str, model: Model | Path, wanted: Wanted, folder: Path, reporter: Reporter) -> Records:
    """Record a model, or a graph as it is, on all stacks that support it; graphs are written to `folder`.

    Raises:
        InputError: no stack supports it; with the reason of the first.
        GateError: no stack supports it, the first because its export computes something else.
    """
    patterns: list[Pattern] = []
    skipped: dict[str, str] = {}
    first: InputError | GateError | None = None
    with reporter.track(f"Record {name}", len(wanted.stacks), "stacks") as bar:
        for stack in wanted.stacks:
            try:
                traces, settings = _record(model, stack, wanted, folder)
                architecture = _architecture(name, model)
                patterns.append(Pattern(name, architecture, stack.name, settings, traces))
            except (DiskError, MemoryShortError):
                raise
            except (InputError, GateError) as error:
                first = first or error
                skipped[stack.name] = error.headline
            bar.advance(1, stack.name)
    if first is not None and not patterns:
        raise first
    return Records(name, _architecture(name, model), tuple(patterns), skipped)


def site(device: str) -> Site:
    """Return this machine's description, which patterns belong to."""
    import psutil
    import torch

    processor = _processor() if device == "cpu" else torch.cuda.get_device_name(device)
    packages = environment(device).packages
    software = {package: packages[package] for package in SOFTWARE if package in packages}
    return Site(processor=processor, cores=psutil.cpu_count() or 0, software=software)


def _architecture(name: str, model: Model | Path) -> str:
    return Path(name).name if isinstance(model, Path) else model.architecture


def _record(model: Model | Path, stack: Stack, wanted: Wanted, folder: Path) -> tuple[tuple[Trace, ...], Settings]:
    if isinstance(model, Path):
        if stack.name not in OF_GRAPHS:
            raise LineageError(
                "an ONNX file is recorded as it is, by ONNX Runtime alone",
                hint=f"--stack {' --stack '.join(OF_GRAPHS)}",
            )
        feeds, graph = _feeds(model, wanted), model
    else:
        inputs = model.example_inputs(wanted.batch, SEED)
        if stack.exporter is None:
            return _record_torch(model, stack, wanted), _settings(inputs, wanted)
        graph = _graph(model, stack.exporter, folder)
        feeds = {name: tensor.numpy() for name, tensor in inputs.items()}
    level: Level = "none" if stack.level == "none" else "all"
    traces = record_ort(graph, feeds, wanted.runs, level=level, threads=wanted.threads, device=wanted.device)
    return traces, _settings(feeds, wanted)


def _record_torch(model: Model, stack: Stack, wanted: Wanted) -> tuple[Trace, ...]:
    from hubslice.verbs.execution.record_torch import record_torch

    module = model.module.to(wanted.device)
    inputs = {name: tensor.to(wanted.device) for name, tensor in model.example_inputs(wanted.batch, SEED).items()}
    try:
        return record_torch(module, inputs, wanted.runs, compiled=stack.level == "compiled", threads=wanted.threads)
    finally:
        module.to("cpu")


def _graph(model: Model, exporter: Exporter, folder: Path) -> Path:
    """Return the model's graph by this exporter; exported once."""
    from hubslice.graph.deployable import write_onnx
    from hubslice.graph.export import export_onnx
    from hubslice.verbs.execution.exporters import export_script

    path = folder / f"{exporter}.onnx"
    if not path.is_file():
        match exporter:
            case "optimised":
                write_onnx(model, path)
            case "plain":
                export_onnx(model.module, model.example_inputs(2, SEED), path)
            case "script":
                export_script(model.module, model.example_inputs(2, SEED), path)
    return path


def _feeds(graph: Path, wanted: Wanted) -> dict[str, np.ndarray]:
    """Return seeded images for a graph's only input.

    Raises:
        ModelError: the graph cannot be opened, or does not take images.
        InputError: it takes images of any size and none was given.
    """
    import numpy as np

    from hubslice.graph.runner import open_runner

    runner = open_runner(graph.name, graph, "cpu", 1)
    sizes = [wanted.batch, 3, wanted.input_size, wanted.input_size]
    shape = [known or asked for known, asked in zip(runner.shape, sizes, strict=True)]
    if None in shape:
        raise InputError(f"{graph.name} takes images of any size", hint="say which with --input-size PIXELS")
    rng = np.random.default_rng(SEED)
    return {runner.input: rng.integers(0, 2, [each or 1 for each in shape]).astype(runner.dtype)}


def _settings(inputs: Mapping[str, Tensor] | Mapping[str, np.ndarray], wanted: Wanted) -> Settings:
    shapes = {name: tuple(value.shape) for name, value in inputs.items()}
    return Settings(inputs=shapes, threads=wanted.threads, device=wanted.device)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")

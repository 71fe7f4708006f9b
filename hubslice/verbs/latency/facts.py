"""The cost of running models, as artefacts."""

from __future__ import annotations

from typing import Literal

from hubslice.core.artefact import Artefact


class Timing(Artefact):
    """Milliseconds of one call at a batch size.

    `ratio` is relative to the first model: the median over ten stretches of the measurement of the fastest times in
    each, so that brief load on the machine does not count, and longer load slows down both.
    """

    batch: int
    median_ms: float
    p10_ms: float
    p90_ms: float
    ratio: float
    runs: int


class ModelCost(Artefact):
    """A model: number of weights, its file in bytes, multiply-accumulates for one image, memory, times.

    `added_mib` is the peak memory of a separate process beyond what it used before the model was loaded, at the largest
    batch; on a GPU the GPU's memory. None: could not be counted, or was not requested. `ratios` are relative to the
    first model, by the name of the field.
    """

    model: str
    kind: Literal["hub", "folder", "run", "onnx"]
    parameters: int
    file_bytes: int
    macs: int | None
    added_mib: float | None
    timings: tuple[Timing, ...]
    ratios: dict[str, float]


class LatencyReport(Artefact):
    """All models, measured on one input [N, C, H, W] by ONNX Runtime on one device in alternation."""

    device: str
    provider: str
    runtime: str
    threads: int
    input_size: tuple[int, int, int]
    models: tuple[ModelCost, ...]

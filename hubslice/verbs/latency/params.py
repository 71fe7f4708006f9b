"""Parameters of `latency`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from hubslice.core.parameters import Argument, Option, Params
from hubslice.core.paths import AnyPath
from hubslice.core.shared_parameters import Device


@dataclass(frozen=True)
class LatencyParams(Params):
    """The models, and how they are measured."""

    models: Annotated[
        Sequence[AnyPath],
        Argument("Hub ids, run folders, model folders or ONNX files; ratios are relative to the first.", "MODEL..."),
    ]
    _: KW_ONLY
    batches: Annotated[
        Sequence[int],
        Option("Batch sizes to measure; default: 1 and 16.", "N", flag="--batch", short="-b", min=1),
    ] = (1, 16)
    threads: Annotated[int | None, Option("CPU threads; default: one per core.", "N", min=1)] = None
    rounds: Annotated[int, Option("Rounds per model; fast models get more.", "N", min=5)] = 30
    input_size: Annotated[int | None, Option("Side of the input, for all models.", "PIXELS", min=8, max=4096)] = None
    memory: Annotated[bool, Option("Measure memory, each in a separate process.", flag="--memory/--no-memory")] = True
    device: Device = "auto"

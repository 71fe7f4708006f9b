"""Parameters of `execution` and `patterns`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from hubslice.core.parameters import Argument, Option, Params
from hubslice.core.paths import AnyPath
from hubslice.core.shared_parameters import Device

Stacks = Annotated[
    Sequence[str],
    Option(
        "eager, compiled, ort-none or ort-all, the last two also with -plain or -script for other exporters; may be "
        "repeated; default: eager, ort-none and ort-all, or those of the store.",
        "NAME",
        flag="--stack",
    ),
]
Runs = Annotated[int, Option("Inferences to record on each stack, 3 or more.", "N")]
Batch = Annotated[int | None, Option("Batch size; default: 1.", "N", min=1)]
Threads = Annotated[int | None, Option("CPU threads; default: one per core.", "N", min=1)]
InputSize = Annotated[int | None, Option("Side of the input.", "PIXELS", min=8, max=4096)]


@dataclass(frozen=True)
class ExecutionParams(Params):
    """The model, how it is recorded, and what it is compared with."""

    model: Annotated[AnyPath, Argument("A Hub id, a run, a model folder, or an ONNX file.", "MODEL")]
    against: Annotated[
        Sequence[AnyPath], Option("Known models, which are recorded here in the same way.", "ID|FOLDER ...")
    ] = ()
    _: KW_ONLY
    store: Annotated[
        AnyPath | None, Option("A file written by `hubslice patterns`, instead of --candidates.", "FILE", path=True)
    ] = None
    stacks: Stacks = ()
    runs: Runs = 10
    batch: Batch = None
    threads: Threads = None
    input_size: InputSize = None
    out: Annotated[
        AnyPath | None, Option("Write facts, a table of distances and the timelines.", "DIR", short="-o", path=True)
    ] = None
    device: Device = "auto"


@dataclass(frozen=True)
class PatternsParams(Params):
    """The models, how they are recorded, and where their patterns are stored."""

    models: Annotated[Sequence[AnyPath], Argument("Models; a folder of models means all of them.", "ID|FOLDER ...")]
    out: Annotated[AnyPath, Option("The store, a safetensors file.", "FILE", short="-o", path=True)]
    _: KW_ONLY
    stacks: Stacks = ()
    runs: Runs = 10
    batch: Batch = None
    threads: Threads = None
    input_size: InputSize = None
    device: Device = "auto"

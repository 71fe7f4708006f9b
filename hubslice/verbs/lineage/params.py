"""Parameters of `lineage find` and `lineage index`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from hubslice.core.parameters import Argument, Option, Params
from hubslice.core.paths import AnyPath


@dataclass(frozen=True)
class LineageParams(Params):
    """The model, and what it is compared with."""

    model: Annotated[AnyPath, Argument("A Hub id, a run, a model folder, or a safetensors or ONNX file.", "MODEL")]
    candidates: Annotated[
        Sequence[AnyPath],
        Option("Possible parents; a folder of models means all of them.", "ID|FOLDER ...", short="-c"),
    ] = ()
    _: KW_ONLY
    index: Annotated[
        AnyPath | None, Option("An index written by `lineage index`, instead of --candidates.", "FILE", path=True)
    ] = None
    out: Annotated[
        AnyPath | None, Option("Write facts, a table of the layers and a plot.", "DIR", short="-o", path=True)
    ] = None


@dataclass(frozen=True)
class IndexParams(Params):
    """The models of an index, and its path."""

    models: Annotated[
        Sequence[AnyPath],
        Argument("Models; a folder of models means all of them.", "ID|FOLDER ...", needed=False),
    ]
    out: Annotated[AnyPath, Option("The index, a safetensors file.", "FILE", short="-o", path=True)]
    _: KW_ONLY
    add: Annotated[bool, Option("Keep models that are already in the index at --out.")] = False

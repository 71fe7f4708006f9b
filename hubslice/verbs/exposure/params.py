"""Parameters of `exposure`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from hubslice.core.parameters import Argument, Option, Params
from hubslice.core.paths import AnyPath
from hubslice.core.shared_parameters import Device


@dataclass(frozen=True)
class ExposureParams(Params):
    """The model, its teacher, and the data for the measurement."""

    model: Annotated[AnyPath, Argument("A Hub id, a run, or a model folder.", "MODEL")]
    teacher: Annotated[AnyPath | None, Option("A Hub id, a folder or a run; default: the run's own.", "MODEL")]
    data: Annotated[AnyPath, Option("Images to predict.", "FILE|FOLDER|DATASET")]
    _: KW_ONLY
    out: Annotated[AnyPath | None, Option("Write facts and a plot of them.", "DIR", short="-o", path=True)] = None
    input_size: Annotated[int | None, Option("Side of the model's input.", "PIXELS", min=8, max=4096)] = None
    device: Device = "auto"

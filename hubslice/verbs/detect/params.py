"""Parameters of `detect fit` and `detect check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

from hubslice.core.parameters import Argument, Option, Params
from hubslice.core.paths import AnyPath
from hubslice.core.shared_parameters import Device

Shape = Literal["signed", "absolute"]


@dataclass(frozen=True)
class FitParams(Params):
    """The model of the detector, the data, and how it is fitted."""

    model: Annotated[AnyPath, Argument("A Hub id, a run, a model folder, or a graph made by `convert`.", "MODEL")]
    data: Annotated[
        AnyPath,
        Option(
            "Clean images like those the model is used on, preferably not its training images.", "FOLDER|PARQUET|HUB"
        ),
    ]
    _: KW_ONLY
    fpr: Annotated[float, Option("Share of clean inputs that may be flagged.")] = 0.05
    layers: Annotated[
        Sequence[str], Option("Compare slices of this layer; default: the second to last.", "NAME", flag="--layer")
    ] = ()
    shape: Annotated[Shape, Option("Whether contributions for and against the answer cancel (signed).")] = "absolute"
    slices_only: Annotated[bool, Option("Exclude the logit margin from the score.")] = False
    skip_rare: Annotated[
        bool, Option("Skip predicted classes with too few images; inputs predicted as such are flagged.")
    ] = False
    limit: Annotated[int, Option("Maximum number of images, sampled at random.", "N", min=40)] = 4000
    seed: Annotated[int, Option("Random seed for sampling and for the held-out part.")] = 0
    input_size: Annotated[int | None, Option("Side of the model's input.", "PIXELS", min=8, max=4096)] = None
    out: Annotated[
        AnyPath | None, Option("Folder to write; default: MODEL-detector here.", "DIR", short="-o", path=True)
    ] = None
    device: Device = "auto"


@dataclass(frozen=True)
class CheckParams(Params):
    """The inputs, the model, and the detector that scores them."""

    model: Annotated[AnyPath, Argument("The model, or the folder that `fit` wrote.", "MODEL|DETECTOR")]
    inputs: Annotated[
        AnyPath,
        Option("An image, a folder of images, .parquet, or .npy of pixels.", "FILE|FOLDER", short="-i", path=True),
    ]
    _: KW_ONLY
    detector: Annotated[
        AnyPath | None, Option("What `fit` wrote; default: MODEL-detector here.", "DIR", short="-d", path=True)
    ] = None
    device: Device = "auto"

"""Parameters of `explain`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

from hubslice.core.parameters import Argument, Option, Params
from hubslice.core.paths import AnyPath
from hubslice.core.shared_parameters import Device

Rule = Literal["threshold", "released"]
Neuron = Literal["channel", "element"]


@dataclass(frozen=True)
class ExplainParams(Params):
    """The predictions of a model to explain, and how."""

    model: Annotated[AnyPath, Argument("A Hub id, a run, a model folder, or a graph made by `convert`.", "MODEL")]
    inputs: Annotated[
        AnyPath,
        Option("An image, a folder of images, .parquet, or .npy of pixels.", "FILE|FOLDER", short="-i", path=True),
    ]
    _: KW_ONLY
    target: Annotated[str | None, Option("Class to explain; default: the predicted one.", "LABEL", short="-t")] = None
    theta: Annotated[
        float, Option("Drop predecessors weaker than this share of a neuron's strongest.", min=0, max=1)
    ] = 0.1
    rule: Annotated[Rule, Option("threshold: use --theta (fast); released: sorted sums, as in the authors' code.")] = (
        "threshold"
    )
    data: Annotated[
        AnyPath | None,
        Option(
            "Reference images whose means the inputs are compared with, or means.safetensors of an earlier call.",
            "FILE|FOLDER|DATASET",
        ),
    ] = None
    mean: Annotated[Neuron, Option("One mean for each channel (the paper), or each channel at each position.")] = (
        "channel"
    )
    by_class: Annotated[bool, Option("Compare each input with reference images of the same predicted class.")] = False
    protect: Annotated[
        float | None,
        Option(
            "Mark this share of each layer's weights, the most decisive ones, to be withheld.", "SHARE", min=0, max=1
        ),
    ] = None
    public: Annotated[bool, Option("With --protect: also write the model with these weights set to zero.")] = False
    attack: Annotated[
        AnyPath | None,
        Option(
            "With --protect: labelled images, to measure how well the remaining weights can be retrained on them.",
            "FOLDER|PARQUET|HUB",
        ),
    ] = None
    input_size: Annotated[int | None, Option("Side of the model's input.", "PIXELS", min=8, max=4096)] = None
    workers: Annotated[int | None, Option("Tracing threads; default: one per core.", "N", min=1, max=256)] = None
    batch_size: Annotated[
        int | None, Option("Inputs traced at a time; default: as many as memory allows.", "N", flag="--batch", min=1)
    ] = None
    out: Annotated[
        AnyPath | None, Option("Folder to write; default: MODEL-explained here.", "DIR", short="-o", path=True)
    ] = None
    device: Device = "auto"

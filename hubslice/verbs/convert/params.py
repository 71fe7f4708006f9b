"""Parameters of `convert`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

from hubslice.core.errors import InputError
from hubslice.core.parameters import Argument, Option, Params
from hubslice.core.paths import AnyPath
from hubslice.core.shared_parameters import Device

Form = Literal["compact", "onnx", "fp16", "int8", "pruned", "distilled"]


def _arguments(given: list[str]) -> dict[str, object]:
    from hubslice.recipe.yaml_source import read_yaml

    found: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--argument {text} is not NAME=VALUE", hint="such as --argument widths=[16,32]")
        found[name] = read_yaml(value, "value").data
    return found


@dataclass(frozen=True)
class ConvertParams(Params):
    """The model, the form, and the options of the conversion; `targets.options` lists which form takes which."""

    model: Annotated[AnyPath, Argument("A finished run, a model folder, or a Hub model.", "RUN|FOLDER|OWNER/NAME")]
    form: Annotated[
        Form,
        Option(
            "compact: remove channels that are zero; onnx, fp16: export for ONNX Runtime; int8: "
            "quantise; pruned: set the smallest weights to zero; distilled: train a smaller model.",
            flag="--to",
        ),
    ]
    _: KW_ONLY
    data: Annotated[
        AnyPath | None,
        Option(
            "int8, pruned, distilled: images for calibration, training and checks; default: the run's own.",
            "FILE|FOLDER|DATASET",
        ),
    ] = None
    dynamic: Annotated[bool, Option("int8: compute activation ranges at every call, without calibration.")] = False
    samples: Annotated[int, Option("int8: number of calibration images.", "N", min=1, max=10_000)] = 100
    min_agreement: Annotated[
        float, Option("int8, pruned, distilled: minimum share of images with the same prediction.", min=0, max=1)
    ] = 0.8
    sparsity: Annotated[float, Option("pruned: share of the weights set to zero.", "SHARE")] = 0.5
    into: Annotated[
        AnyPath | None,
        Option("distilled: a timm architecture with random weights, or a model to start from.", "ARCH|OWNER/NAME"),
    ] = None
    arguments: Annotated[
        Mapping[str, object] | None,
        Option("distilled: an argument of the architecture.", "NAME=VALUE", flag="--argument", read=_arguments),
    ] = None
    epochs: Annotated[
        int | None,
        Option(
            "pruned, distilled: training epochs; default: 0 for pruned, 10 for distilled.",
            "N",
            min=0,
            max=10_000,
        ),
    ] = None
    lr: Annotated[
        float | None, Option("pruned, distilled: learning rate; default: 0.01, from scratch 0.05.", "RATE")
    ] = None
    seed: Annotated[int, Option("pruned, distilled: random seed.", min=0)] = 0
    out: Annotated[
        AnyPath | None,
        Option("Folder to write; default: in the run, or NAME-FORM here.", "DIR", short="-o", path=True),
    ] = None
    device: Device = "auto"

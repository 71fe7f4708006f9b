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
            "compact: zero channels taken out; onnx and fp16: for ONNX Runtime; int8: quantised; pruned: the smallest "
            "weights zero; distilled: taught to a smaller model.",
            flag="--to",
        ),
    ]
    _: KW_ONLY
    data: Annotated[
        AnyPath | None,
        Option(
            "int8, pruned, distilled: images to calibrate, teach and check with; default: the run's own.",
            "FILE|FOLDER|DATASET",
        ),
    ] = None
    dynamic: Annotated[bool, Option("int8: take the ranges of activations anew in every call; no calibration.")] = False
    samples: Annotated[int, Option("int8: images to calibrate with.", "N", min=1, max=10_000)] = 100
    min_agreement: Annotated[
        float, Option("int8, pruned, distilled: share of images that must get the same answer.", min=0, max=1)
    ] = 0.8
    sparsity: Annotated[float, Option("pruned: share of the weights set to zero.", "SHARE")] = 0.5
    into: Annotated[
        AnyPath | None,
        Option("distilled: architecture of timm with random weights, or a model to start from.", "ARCH|OWNER/NAME"),
    ] = None
    arguments: Annotated[
        Mapping[str, object] | None,
        Option("distilled: an argument of the architecture.", "NAME=VALUE", flag="--argument", read=_arguments),
    ] = None
    epochs: Annotated[
        int | None,
        Option(
            "pruned, distilled: passes over the images; default: none for pruned, 10 for distilled.",
            "N",
            min=0,
            max=10_000,
        ),
    ] = None
    lr: Annotated[
        float | None, Option("pruned, distilled: learning rate; default: 0.01, from scratch 0.05.", "RATE")
    ] = None
    seed: Annotated[int, Option("pruned, distilled: of all that is drawn.", min=0)] = 0
    out: Annotated[
        AnyPath | None,
        Option("Folder to write; default: in the run, or NAME-FORM here.", "DIR", short="-o", path=True),
    ] = None
    device: Device = "auto"

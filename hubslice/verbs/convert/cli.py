"""`hubslice convert`: the forms in which models are deployed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.core.errors import InputError
from hubslice.core.numbers import amount, number
from hubslice.terminal.options import DeviceOption, JsonOption, QuietOption, examples
from hubslice.terminal.output import out

if TYPE_CHECKING:
    from hubslice.verbs.convert.service import Converted


class Target(StrEnum):
    """The forms that a model can take."""

    COMPACT = "compact"
    ONNX = "onnx"
    FP16 = "fp16"
    INT8 = "int8"
    PRUNED = "pruned"
    DISTILLED = "distilled"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "convert",
        epilog=examples(
            "hubslice convert runs/drawings --to compact",
            "hubslice convert owner/drawings --to onnx --out drawings-onnx",
            "hubslice convert runs/drawings --to fp16",
            "hubslice convert owner/drawings --to int8 --data photos/",
            "hubslice convert runs/drawings --to pruned --sparsity 0.8 --epochs 3",
            "hubslice convert runs/drawings --to distilled --into resnet10t",
        ),
    )(convert)


def convert(
    model: Annotated[
        str, typer.Argument(metavar="RUN|FOLDER|OWNER/NAME", help="A finished run, a model folder, or a Hub model.")
    ],
    to: Annotated[
        Target,
        typer.Option(
            "--to",
            help="compact: zero channels taken out; onnx and fp16: for ONNX Runtime; int8: quantised; pruned: the "
            "smallest weights zero; distilled: taught to a smaller model.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FILE|FOLDER|DATASET",
            help="int8, pruned, distilled: images to calibrate, teach and check with; default: the run's own.",
        ),
    ] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="int8: take the ranges of activations anew in every call; no calibration.")
    ] = False,
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", min=1, max=10_000, help="int8: images to calibrate with.")
    ] = 100,
    min_agreement: Annotated[
        float,
        typer.Option(
            "--min-agreement",
            min=0,
            max=1,
            help="int8, pruned, distilled: share of images that must get the same answer.",
        ),
    ] = 0.8,
    sparsity: Annotated[
        float, typer.Option("--sparsity", metavar="SHARE", help="pruned: share of the weights set to zero.")
    ] = 0.5,
    into: Annotated[
        str | None,
        typer.Option(
            "--into",
            metavar="ARCH|OWNER/NAME",
            help="distilled: architecture of timm with random weights, or a model to start from.",
        ),
    ] = None,
    argument: Annotated[
        list[str] | None,
        typer.Option("--argument", metavar="NAME=VALUE", help="distilled: an argument of the architecture."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            metavar="N",
            min=0,
            max=10_000,
            help="pruned, distilled: passes over the images; default: none for pruned, 10 for distilled.",
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            "--lr", metavar="RATE", help="pruned, distilled: learning rate; default: 0.01, from scratch 0.05."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="pruned, distilled: of all that is drawn.")] = 0,
    folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder to write; default: in the run, or NAME-FORM here."),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a form of a model for deployment, and check how far it computes the same.

    compact takes channels, attention heads and MLP features out whose weights are all zero; the folder can be loaded
    with `hubslice.load`, trained on and pushed, as those of pruned and distilled can. onnx folds batch normalisation
    and constants; logits may differ from PyTorch's by 1e-4 of the largest, those of fp16 by 3e-2.

    int8 quantises weights and activations with ONNX Runtime. pruned sets the smallest weights to zero, and trains the
    others for --epochs to make good for it. distilled trains a smaller model from scratch. Both learn the answers of
    the model, not labels, so any images will do. On images not seen, most answers must be the same.

    The exit code is 1 where a form differs by more. A training that was stopped goes on when the command is repeated.
    """
    from hubslice.verbs.convert.function import convert as make

    made = make(
        model,
        to.value,
        data=data,
        dynamic=dynamic,
        samples=samples,
        min_agreement=min_agreement,
        sparsity=sparsity,
        into=into,
        arguments=_arguments(argument or []),
        epochs=epochs,
        lr=lr,
        seed=seed,
        device=device,
        out=folder,
        reporter=out.progress(),
    )
    out.result(_plain(made), lambda: _tell(made), quiet=made.path)


def _arguments(given: list[str]) -> dict[str, object]:
    from hubslice.recipe.yaml_source import read_yaml

    found: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--argument {text} is not NAME=VALUE", hint="such as --argument widths=[16,32]")
        found[name] = read_yaml(value, "value").data
    return found


def _plain(done: Converted) -> dict[str, object]:
    made = done.made
    return {
        "path": str(done.path),
        "form": done.form,
        "parameters": {"before": done.parameters[0], "after": done.parameters[1]},
        "bytes": {"before": done.size[0], "after": done.size[1]},
        "removed": dict(made.removed),
        "whole": dict(made.whole),
        "parity": made.parity.model_dump(mode="json") if made.parity else None,
        "agreement": made.agreement.model_dump(mode="json") if made.agreement else None,
    }


def _tell(done: Converted) -> None:
    from hubslice.verbs.convert.agreement import QuantisationReport

    made = done.made
    told: dict[str, object] = {done.form: str(done.path)}
    if done.parameters[0] != done.parameters[1]:
        told["parameters"] = f"{done.parameters[0]:,} -> {done.parameters[1]:,}"
        if done.form == "pruned":
            told["parameters"] = f"{told['parameters']} that are not zero"
    told["size"] = " -> ".join(f"{size / 2**20:,.2f} MiB" for size in done.size)
    if made.removed:
        told["taken out"] = f"{amount(sum(made.removed.values()), 'unit')} of {amount(len(made.removed), 'layer')}"
    if made.parity:
        told["parity"] = (
            f"outputs differ by up to {number(made.parity.max_abs_difference, 2)}, "
            f"at most {number(made.parity.tolerance, 2)} allowed"
        )
    if made.agreement:
        found = made.agreement
        told["same answer"] = f"{found.agreement.hits} of {found.agreement.total} {found.checked_on}"
        told["probabilities"] = (
            f"differ by {number(found.mean_difference, 2)} in the mean, {number(found.max_difference, 2)} at most"
        )
        if isinstance(found, QuantisationReport) and found.calibrated:
            told["calibrated"] = f"with {found.calibrated} images"
    out.fields(told)
    if done.form == "compact":
        if not made.removed:
            out.info("the model is compact already; nothing more was zero")
        for layer, reason in list(made.whole.items())[:5]:
            out.info(f"{layer} stays whole: {reason}")
        if len(made.whole) > 5:
            out.info(f"{len(made.whole) - 5} more layers stay whole; --json names all")

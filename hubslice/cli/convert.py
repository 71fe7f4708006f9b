"""`hubslice convert`: a compact model, or an ONNX graph, in 8 bits if wanted."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.cli.options import JsonOption, QuietOption, examples
from hubslice.cli.output import out

if TYPE_CHECKING:
    from hubslice.pipeline.convert import Converted


class Target(StrEnum):
    """The forms that a model can take."""

    COMPACT = "compact"
    ONNX = "onnx"
    INT8 = "int8"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "convert",
        epilog=examples(
            "hubslice convert runs/drawings --to compact",
            "hubslice convert runs/drawings --to onnx --half",
            "hubslice convert owner/drawings --to onnx --out drawings-onnx",
            "hubslice convert runs/drawings --to int8",
            "hubslice convert owner/drawings --to int8 --data photos/",
        ),
    )(convert)


def convert(
    model: Annotated[
        str, typer.Argument(metavar="RUN|FOLDER|OWNER/NAME", help="A finished run, a model folder, or a Hub model.")
    ],
    to: Annotated[
        Target, typer.Option("--to", help="compact: zero channels taken out; onnx: for ONNX Runtime; int8: quantised.")
    ],
    half: Annotated[bool, typer.Option("--half", help="onnx: compute in float16; input and output stay float32.")] = (
        False
    ),
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="int8: take the ranges of activations anew in every call; no calibration.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FILE|FOLDER|DATASET",
            help="int8: pictures to calibrate and check with; default: the run's own.",
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", min=1, max=10_000, help="int8: pictures to calibrate with.")
    ] = 100,
    min_agreement: Annotated[
        float,
        typer.Option("--min-agreement", min=0, max=1, help="int8: share of pictures that must get the same answer."),
    ] = 0.8,
    folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder to write; default: in the run, or NAME-FORM here."),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a smaller model, or a graph for plain ONNX Runtime, and check that it computes the same.

    compact takes channels, attention heads and MLP features out whose weights are all zero; the folder can be loaded
    with `hubslice.load`, trained on and pushed. onnx folds batch normalisation and constants; logits may differ from
    PyTorch's by 1e-4 of the largest, with --half by 3e-2, else the exit code is 1. int8 quantises weights and
    activations with ONNX Runtime, for which it looks at pictures; on others the answers must be the same for most.
    """
    from hubslice.api import convert as make

    made = make(
        model,
        to.value,
        half=half,
        dynamic=dynamic,
        data=data,
        samples=samples,
        min_agreement=min_agreement,
        out=folder,
    )
    out.result(_plain(made), lambda: _tell(made), quiet=made.path)


def _plain(made: Converted) -> dict[str, object]:
    return {
        "path": str(made.path),
        "form": made.form,
        "parameters": {"before": made.parameters[0], "after": made.parameters[1]},
        "bytes": {"before": made.size[0], "after": made.size[1]},
        "removed": dict(made.removed),
        "whole": dict(made.whole),
        "parity": made.parity.model_dump(mode="json") if made.parity else None,
        "quantisation": made.quantisation.model_dump(mode="json") if made.quantisation else None,
    }


def _tell(made: Converted) -> None:
    told: dict[str, object] = {made.form: str(made.path)}
    if made.form == "compact":
        told["parameters"] = f"{made.parameters[0]:,} -> {made.parameters[1]:,}"
    told["size"] = " -> ".join(f"{size / 2**20:,.2f} MiB" for size in made.size)
    if made.removed:
        told["taken out"] = f"{sum(made.removed.values())} units of {len(made.removed)} layers"
    if made.parity:
        told["parity"] = f"{made.parity.max_abs_difference:.2g}, at most {made.parity.tolerance:.2g} allowed"
    if made.quantisation:
        found = made.quantisation
        told["same answer"] = f"{found.agreement.hits} of {found.agreement.total} {found.checked_on}"
        told["probabilities"] = f"differ by {found.mean_difference:.2g} in the mean, {found.max_difference:.2g} at most"
    out.fields(told)
    if made.form == "compact":
        if not made.removed:
            out.info("the model is compact already; nothing more was zero")
        for layer, reason in list(made.whole.items())[:5]:
            out.info(f"{layer} stays whole: {reason}")
        if len(made.whole) > 5:
            out.info(f"{len(made.whole) - 5} more layers stay whole; --json names all")

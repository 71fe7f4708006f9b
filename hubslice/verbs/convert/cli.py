"""`hubslice convert`: convert a model for deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hubslice.core.numbers import amount, number
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import command
from hubslice.verbs.convert.params import ConvertParams

if TYPE_CHECKING:
    from hubslice.verbs.convert.service import Converted


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
    )(command(convert))


def convert(params: ConvertParams) -> None:
    """Convert a model for deployment, and check how closely the result matches it.

    compact removes channels, attention heads and MLP features whose weights are all zero; the folder can be loaded with
    `hubslice.load`, trained on and pushed, like those of pruned and distilled. onnx folds batch normalisation and
    constants; logits may differ from PyTorch's by 1e-4 of the largest, those of fp16 by 3e-2.

    int8 quantises weights and activations with ONNX Runtime. pruned sets the smallest weights to zero, and trains the
    others for --epochs to compensate. distilled trains a smaller model from scratch. Both learn the outputs of the
    model, not labels, so any images will do. On unseen images, most predictions must be the same.

    The exit code is 1 if the result differs by more. An interrupted training resumes when the command is repeated.
    """
    from hubslice.verbs.convert.service import convert as make

    made = make(params, out.progress())
    out.result(_plain(made), lambda: _tell(made), quiet=made.path)


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

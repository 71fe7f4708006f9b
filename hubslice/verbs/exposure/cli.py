"""`hubslice exposure`: measure how much of a student its teacher reveals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hubslice.core.cells import Fixed, percent
from hubslice.core.numbers import number
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import command
from hubslice.verbs.exposure.params import ExposureParams

if TYPE_CHECKING:
    from hubslice.artefacts.exposure import Exposure, LayerChange, Mixture


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "exposure",
        epilog=examples(
            "hubslice exposure runs/beans --data images/",
            "hubslice exposure you/beans --teacher timm/resnet18.a1_in1k --data images/",
            "hubslice exposure you/beans --teacher timm/resnet18.a1_in1k --data images/ --out beans-exposure --json",
        ),
    )(command(exposure))


def exposure(params: ExposureParams) -> None:
    """Measure what an attacker who knows the teacher must still obtain of a model to predict like it.

    Two ways are measured: whole layers from the head backwards, with the teacher's for the rest, and the leading bits
    of all weights, with the teacher and without it. A run knows its teacher; then its fine-tuned baseline is measured
    as well.
    """
    from hubslice.verbs.exposure.service import exposure as measure

    found = measure(params, out.progress())
    for warning in found.warnings:
        out.warning(warning)
    out.result(found, lambda: _tell(found), quiet=f"{found.exposure:.4f}")


def _tell(found: Exposure) -> None:
    heads = {"layer": "LAYER", "weights": "WEIGHTS"} | _heads("", "")
    beside = found.baseline
    others = {}
    if beside is not None:
        heads |= _heads("baseline ", f"{beside.title.upper()}: ")
        others = {layer.layer: layer for layer in beside.layers}
    rows = [
        {"layer": layer.layer, "weights": layer.weights}
        | _cells("", layer)
        | _cells("baseline ", others.get(layer.layer))
        for layer in found.layers
    ]
    out.table(rows, heads)
    out.line()
    out.line(f"{_needed(found)} ({found.seconds:.1f} s)")
    if beside is not None:
        out.line(f"{beside.title}: {_needed(beside)}")


def _heads(key: str, title: str) -> dict[str, str]:
    heads = {"relative": "CHANGE", "unchanged": "UNCHANGED (%)", "bits": "BITS TO READ"}
    return {f"{key}{name}": f"{title}{head}" for name, head in heads.items()}


def _cells(key: str, layer: LayerChange | None) -> dict[str, object]:
    if layer is None:
        return {}
    cells = {
        "relative": "not the teacher's" if layer.relative is None else number(layer.relative),
        "unchanged": None if layer.unchanged is None else percent(layer.unchanged),
        "bits": None if layer.bits is None else Fixed(layer.bits),
    }
    return {f"{key}{name}": cell for name, cell in cells.items()}


def _needed(found: Mixture) -> str:
    mixed = "the teacher as it is" if found.shared == 1 else "with nothing but the layers that it lacks the teacher"
    return (
        f"{mixed} gives {found.start:.1%} of {found.inputs} answers; for {found.goal:.0%} {found.weights_needed:.1%} "
        f"of the weights are to be obtained as whole layers, or {found.bits_needed:.1%} of the bits, without the "
        f"teacher {found.bits_alone:.1%}: exposure {found.exposure:.1%}"
    )

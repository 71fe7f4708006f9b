"""`hubslice detect`: find inputs that a model decides in another way than clean ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.core.cells import percent
from hubslice.core.errors import GateError
from hubslice.core.parameters import Option
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import Before, command
from hubslice.verbs.detect.params import CheckParams, FitParams

if TYPE_CHECKING:
    from hubslice.verbs.detect.facts import Detection, Fitted

TOLD = 20  # maximum verdicts shown to people


def register(app: typer.Typer) -> None:
    """Add the group and its commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Detect inputs whose predictions rest on other neurons than those of clean inputs."
    )
    group.command(
        "fit",
        epilog=examples(
            "hubslice detect fit runs/beans --data images/",
            "hubslice detect fit you/beans --data test.parquet --fpr 0.01 --out guard",
            "hubslice detect fit you/beans --data you/photos --skip-rare",
        ),
    )(command(fit))
    group.command(
        "check",
        epilog=examples(
            "hubslice detect check runs/beans --inputs upload.jpg",
            "hubslice detect check guard --inputs uploads/ --json",
            "hubslice detect check you/beans -d guard -i uploads/ --gate",
        ),
    )(command(check))
    app.add_typer(group, name="detect")


def fit(params: FitParams) -> None:
    """Learn from clean images how the model decides, so that `check` finds inputs decided in another way.

    An image's class is the model's prediction; labels are not needed. The detector compares dynamic slices (which
    channels the prediction is based on) with those of clean images with the same and with other predictions, and the
    margin between the two largest logits. 30 % of the images are held out and set the threshold. No attacks are used.
    """
    from hubslice.verbs.detect.service import detect_fit

    found = detect_fit(params, out.progress())
    out.result(found, lambda: _tell_fit(found), quiet=found.folder)


def check(
    params: CheckParams,
    gate: Annotated[bool, Option("Exit code 1 if an input is flagged."), Before("device")] = False,
) -> None:
    """Score how far the model's decisions differ from those on clean images; flag inputs above the threshold.

    A flagged input is not necessarily an attack: `fit --fpr` sets how many clean inputs are flagged too. Nor is an
    input below the threshold proven clean. The exit code is 0, flagged or not, unless with --gate.
    """
    from hubslice.verbs.detect.service import detect_check

    found = detect_check(params, out.progress())
    out.result(found, lambda: _tell(found), quiet=[entry.name for entry in found.inputs if entry.flagged])
    if gate and found.flagged:
        raise GateError(
            f"{found.flagged} of {len(found.inputs)} inputs are flagged",
            hint=f"of clean inputs {found.fpr:.0%} would be; look at them",
        )


def _tell_fit(found: Fitted) -> None:
    out.table(
        [{"answer": name, "images": count} for name, count in found.answers.items()],
        {"answer": "ANSWER", "images": "CLEAN IMAGES"},
    )
    out.line()
    if found.skipped:
        told = ", ".join(f"{name} ({count})" for name, count in list(found.skipped.items())[:5])
        out.line(f"left out, too few images: {told}{' and more' if len(found.skipped) > 5 else ''}")
    out.line(
        f"{found.folder}: flags above {found.threshold:.2f}, so {found.fpr:.1%} of clean inputs, by {found.held_out} "
        f"images held out; slices of {', '.join(found.layers)} ({found.seconds:.1f} s)"
    )


def _tell(found: Detection) -> None:
    shown = sorted(found.inputs, key=lambda entry: (not entry.flagged, -(entry.score or float("inf"))))[:TOLD]
    out.table(
        [
            {
                "name": entry.name,
                "answer": entry.answer,
                "probability": percent(entry.probability),
                "score": "answer not in the clean images" if entry.score is None else f"{entry.score:.2f}",
                "verdict": "FLAGGED" if entry.flagged else "passes",
            }
            for entry in shown
        ],
        {
            "name": "INPUT",
            "answer": "ANSWER",
            "probability": "PROBABILITY (%)",
            "score": "SCORE",
            "verdict": "VERDICT",
        },
    )
    out.line()
    if len(found.inputs) > TOLD:
        out.line(f"and {len(found.inputs) - TOLD} more, less odd")
    out.line(
        f"{found.flagged} of {len(found.inputs)} flagged, above {found.threshold:.2f}; of clean inputs "
        f"{found.fpr:.1%} would be"
    )

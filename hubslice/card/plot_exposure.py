"""Plot how much a student's teacher reveals of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hubslice.artefacts.exposure import Exposure, Mixture
from hubslice.artefacts.report import ExposedArm, Report
from hubslice.card.facts import arm_title
from hubslice.card.plot_style import COLOURS, FAINT, MARKERS, WIDTH, new_figure, styled, write_figure
from hubslice.core.escaping import plot_label

_TITLE = "What is left to obtain for whoever knows the teacher"


class _Shown(NamedTuple):
    label: str
    role: str
    found: Mixture | ExposedArm


def plot_exposure(found: Exposure, path: Path) -> None:
    """Plot agreement with the model, and for a run with its baseline, over the shares of weights and bits obtained."""
    shown = [_Shown("model", "student", found)]
    if found.baseline is not None:
        shown.append(_Shown(found.baseline.title.lower(), "baseline", found.baseline))
    _draw(shown, found.goal, path)


def plot_given_away(report: Report, path: Path) -> None:
    """Plot the same for a run's student and its baseline."""
    found = report.exposure
    if found is None:
        return
    arms = [(each, report.arm(each.arm)) for each in found.arms]
    shown = [_Shown(arm_title(report, each.arm), "student" if arm is None else arm.role, each) for each, arm in arms]
    _draw(shown, found.goal, path)


def _draw(shown: Sequence[_Shown], goal: float, path: Path) -> None:
    """Draw whole layers on the left, leading bits on the right, dashed without the teacher."""
    with styled():
        figure = new_figure(3.2, WIDTH)
        layers, bits = figure.subplots(1, 2, sharey=True)
        for title, role, found in shown:
            label = plot_label(title)
            look = {"color": COLOURS[role], "markeredgecolor": "white", "clip_on": False}
            look |= {"marker": MARKERS[role], "markersize": 4}
            layers.plot(
                [100 * point.weights for point in found.curve],
                [100 * point.agreement for point in found.curve],
                drawstyle="steps-post",  # a layer is obtained as a whole
                label=label,
                **look,
            )
            for points, style in ((found.leading, "-"), (found.alone, ":")):
                bits.plot(
                    [100 * point.bits for point in points],
                    [100 * point.agreement for point in points],
                    linestyle=style,
                    label=label if style == "-" else f"{label}, without the teacher",
                    **look,
                )
        for axis, below in (
            (layers, "weights obtained, as whole layers\nfrom the head backwards, in percent"),
            (bits, "bits obtained, leading ones of all weights,\nin percent"),
        ):
            axis.axhline(100 * goal, color=FAINT, linewidth=0.8, linestyle="--")
            axis.set_xlim(0, 100)
            axis.set_ylim(0, 102)
            axis.set_xlabel(below)
            axis.grid(axis="y")
        layers.text(0, 100 * goal - 1.5, f"{100 * goal:g} %", color=FAINT, ha="left", va="top")
        layers.set_ylabel("same answers in percent")
        bits.legend(frameon=False, loc="lower right", fontsize="small")
        figure.suptitle(_TITLE)
        write_figure(figure, path)

"""The pictures of what a student's teacher gives away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hubslice.artefacts.exposure import Exposure, Mixture, Obtained
from hubslice.artefacts.report import Report
from hubslice.card.facts import arm_title
from hubslice.card.plot_style import COLOURS, FAINT, MARKERS, WIDTH, new_figure, styled, write_figure

_TITLE = "What is left to obtain for whoever knows the teacher"


class _Line(NamedTuple):
    label: str
    role: str
    shares: Sequence[float]
    agreement: Sequence[float]
    style: str = "-"


def plot_exposure(found: Exposure, path: Path) -> None:
    """Agreement with the model, and of a run with its baseline, over the shares of weights and bits obtained."""
    shown: list[tuple[str, str, Mixture]] = [("student", "", found)]
    if found.baseline is not None:
        shown = [("student", "model, ", found), ("baseline", f"{found.baseline.title.lower()}, ", found.baseline)]
    lines = []
    for role, of, mixed in shown:
        agreement = [point.agreement for point in mixed.curve]
        lines += [
            _Line(f"{of}weights", role, [point.weights for point in mixed.curve], agreement),
            _Line(f"{of}bits", role, [point.bits for point in mixed.curve], agreement, "--"),
        ]
    _draw(lines, found.goal, "obtained of the model, from the head backwards, in percent", path)


def plot_given_away(report: Report, path: Path) -> None:
    """Agreement with the student, and with the baseline, over the share of the weights that were obtained."""
    found = report.exposure
    if found is None:
        return
    lines = [_line(report, each.arm, each.curve) for each in found.arms]
    _draw(lines, found.goal, "weights obtained of the model, from the head backwards, in percent", path)


def _line(report: Report, name: str, curve: Sequence[Obtained]) -> _Line:
    arm = report.arm(name)
    role = "student" if arm is None else arm.role
    return _Line(arm_title(report, name), role, [p.weights for p in curve], [p.agreement for p in curve])


def _draw(lines: Sequence[_Line], goal: float, below: str, path: Path) -> None:
    with styled():
        figure = new_figure(3.0, WIDTH)
        axis = figure.subplots()
        for line in lines:
            shares, agreement = ([100 * value for value in values] for values in (line.shares, line.agreement))
            look = {"marker": MARKERS[line.role], "markersize": 4, "markeredgecolor": "white", "clip_on": False}
            look |= {"drawstyle": "steps-post", "linestyle": line.style}  # a layer is obtained as a whole
            axis.plot(shares, agreement, color=COLOURS[line.role], label=line.label, **look)
        axis.axhline(100 * goal, color=FAINT, linewidth=0.8, linestyle="--")
        axis.text(100, 100 * goal - 1.5, f"{100 * goal:g} %", color=FAINT, ha="right", va="top")
        axis.set_xlim(0, 100)
        axis.set_ylim(0, 102)
        axis.set_xlabel(below)
        axis.set_ylabel("same answers in percent")
        axis.grid(axis="y")
        axis.legend(frameon=False, loc="lower right")
        axis.set_title(_TITLE)
        write_figure(figure, path)

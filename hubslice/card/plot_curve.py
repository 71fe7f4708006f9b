"""Plot a defect over the strength of the attack."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

from hubslice.artefacts.report import Report
from hubslice.card.facts import TEACHER, Curve, baseline_of, curves_of, student_of
from hubslice.card.formats import sentence
from hubslice.card.plot_style import COLOURS, MARKERS, WIDTH, new_figure, styled, write_figure
from hubslice.core.escaping import NAME, plot_label
from hubslice.core.rate import Rate

_APART = 5.5  # minimum distance of two labels in percentage points


def plot_defect_curve(report: Report, path: Path) -> bool:
    """Plot DIR over the budget with 95 % bands, a panel per objective: student, baseline, and student under noise.

    Returns whether there was something to draw, that is a defect measured at two budgets or more.
    """
    curves = curves_of(report)
    if not curves:
        return False
    defects = {curve.defect.title for curve in curves}
    with styled():
        columns = min(2, len(curves))
        rows = -(-len(curves) // columns)
        figure = new_figure(2.8 * rows + 0.2, WIDTH if columns == 2 else 0.62 * WIDTH)
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axis in axes[:, 0]:
            axis.set_ylabel("DIR in percent")
        for axis, curve in zip(axes.flat, curves, strict=False):
            _draw(axis, report, curve)
            title = curve.objective if len(defects) == 1 else f"{curve.defect.title}: {curve.objective}"
            axis.set_title(fill(plot_label(sentence(title), NAME), 40), fontweight="normal")
        for axis in axes.flat[len(curves) :]:
            axis.set_visible(False)
        if len(defects) == 1:
            figure.suptitle(plot_label(curves[0].defect.title, NAME), x=0.01, ha="left", fontsize=10, fontweight="bold")
        write_figure(figure, path)
    return True


def _draw(axis: Any, report: Report, curve: Curve) -> None:
    student, baseline = student_of(report), baseline_of(report)
    lines = [(student.title, "student", curve.rates(student.name, TEACHER))]
    if baseline is not None:
        lines.append((baseline.title, "baseline", curve.rates(baseline.name, TEACHER)))
    lines.append(("noise (control)", "control", curve.rates(student.name, "noise")))
    ends = []
    for label, role, points in lines:
        if points:
            _line(axis, role, points)
            ends.append((100 * (points[-1][1].value or 0.0), label, COLOURS[role]))
    budgets = sorted({variant.budget for variant in curve.variants if variant.budget is not None})
    ends.sort()
    for place, (_, label, colour) in zip(_spread([end for end, _, _ in ends]), ends, strict=True):
        look = {"color": colour, "va": "center", "annotation_clip": False}
        axis.annotate(plot_label(label), (budgets[-1], place), xytext=(6, 0), textcoords="offset points", **look)
    axis.set_xticks(budgets)
    axis.set_xlabel("strength of the attack: eps in 1/255")
    axis.set_ylim(0, 100)
    axis.grid(axis="y")


def _line(axis: Any, role: str, points: list[tuple[int, Rate]]) -> None:
    budgets = [budget for budget, _ in points]
    intervals = [rate.interval or (0.0, 0.0) for _, rate in points]
    low, high = ([100 * interval[end] for interval in intervals] for end in (0, 1))
    axis.fill_between(budgets, low, high, color=COLOURS[role], alpha=0.15, linewidth=0)
    values = [100 * (rate.value or 0.0) for _, rate in points]
    axis.plot(budgets, values, marker=MARKERS[role], color=COLOURS[role], linewidth=1.8, markeredgecolor="white")


def _spread(heights: list[float]) -> list[float]:
    """Return the heights (ascending), moved apart so that labels do not overlap and stay below 100."""
    places: list[float] = []
    for height in heights:
        places.append(max(height, places[-1] + _APART) if places else height)
    for index in reversed(range(len(places))):
        ceiling = 100.0 - _APART * (len(places) - 1 - index)
        places[index] = min(places[index], ceiling)
    return places

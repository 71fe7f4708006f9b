"""Draw a card's plots from the report alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from hubslice.artefacts.report import Report
from hubslice.card import facts
from hubslice.card.formats import percent
from hubslice.card.plot_curve import plot_defect_curve
from hubslice.card.plot_exposure import plot_given_away
from hubslice.card.plot_retention import plot_retention
from hubslice.card.plot_search import plot_search
from hubslice.card.plot_style import COLOURS, FAINT, INK, MARKERS, new_figure, styled, write_figure
from hubslice.core.escaping import NAME, plot_label
from hubslice.core.rate import Rate

__all__ = [
    "plot_accuracy_and_defects",
    "plot_defect_curve",
    "plot_given_away",
    "plot_retention",
    "plot_search",
    "write_plots",
]

_SOURCE_WORDS = {"noise": "random noise", "unrelated": "unrelated network"}


def write_plots(report: Report, folder: Path) -> tuple[Path, ...]:
    """Draw every plot of the report's card, at the paths within `folder` that the card refers to."""
    drawn = []
    for name in facts.plots_of(report):
        path = folder / name
        {
            facts.ACCURACY_PLOT: plot_accuracy_and_defects,
            facts.RETENTION_PLOT: plot_retention,
            facts.CURVE_PLOT: plot_defect_curve,
            facts.SEARCH_PLOT: plot_search,
            facts.EXPOSURE_PLOT: plot_given_away,
        }[name](report, path)
        drawn.append(path)
    return tuple(drawn)


@dataclass(frozen=True)
class _Dot:
    label: str
    rate: Rate
    role: str


def plot_accuracy_and_defects(report: Report, path: Path) -> None:
    """Plot test accuracies and headline defect rates as dots with 95 % intervals, a panel each, on one scale."""
    panels = _panels(report)
    rows = [len(dots) for _, dots in panels]
    with styled():
        titles = sum(title.count("\n") for title, _ in panels)
        figure = new_figure(0.25 * sum(rows) + 0.5 * len(rows) + 0.17 * titles + 0.35)
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=[n + 0.4 for n in rows])[:, 0]
        for axis, (title, dots) in zip(axes, panels, strict=True):
            _draw_panel(axis, title, dots)
        meaning = " (accuracy: higher is better; DIR: lower is better)" if len(panels) > 1 else ""
        axes[-1].set_xlabel(f"percent of images, 95 % intervals{meaning}")
        write_figure(figure, path)


def _panels(report: Report) -> list[tuple[str, list[_Dot]]]:
    arms = [arm for arm in facts.ordered_arms(report) if arm.test.total]
    panels = [("Accuracy on the test split", [_Dot(arm.title, arm.test, arm.role) for arm in arms])]
    for defect in report.defects:
        for variant in facts.headlines(defect):
            shown = [row for row in facts.ordered_rows(report, variant) if row.dir.total and row.arm != facts.TEACHER]
            controls = facts.controls_of(report, variant)
            dots = []
            for row in shown:
                arm = report.arm(row.arm)
                if row in controls:
                    words = _SOURCE_WORDS.get(row.source)
                    title = facts.arm_title(report, row.arm)
                    dots.append(_Dot(f"{title}, {words}" if words else title, row.dir, "control"))
                elif row.source == facts.TEACHER and arm is not None:
                    dots.append(_Dot(arm.title, row.dir, arm.role))
            if dots:
                panels.append((fill(plot_label(f"DIR, {facts.defect_words(defect, variant)}", NAME), 64), dots))
    return panels


def _draw_panel(axis: Any, title: str, dots: Sequence[_Dot]) -> None:
    axis.set_title(title, pad=6)
    for index, dot in enumerate(dots):
        value, interval = dot.rate.value or 0.0, dot.rate.interval or (0.0, 0.0)
        colour = COLOURS[dot.role]
        axis.plot([100 * end for end in interval], [index, index], color=colour, linewidth=2, solid_capstyle="butt")
        axis.plot([100 * value], [index], MARKERS[dot.role], color=colour, markersize=6.5, markeredgecolor="white")
        axis.text(102, index, percent(value), va="center", color=INK)
    axis.set_yticks(range(len(dots)), [plot_label(dot.label, 60) for dot in dots])
    for label, dot in zip(axis.get_yticklabels(), dots, strict=True):
        label.set_color({"student": COLOURS["student"], "control": FAINT}.get(dot.role, INK))
        label.set_fontweight("bold" if dot.role == "student" else "normal")
    axis.set_ylim(len(dots) - 0.5, -0.5)
    axis.set_xlim(0, 100)
    axis.grid(axis="x")
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)

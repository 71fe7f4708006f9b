"""The picture of what a student's teacher gives away."""

from __future__ import annotations

from pathlib import Path

from hubslice.artefacts.exposure import Exposure
from hubslice.card.plot_style import COLOURS, FAINT, WIDTH, new_figure, styled, write_figure


def plot_exposure(found: Exposure, path: Path) -> None:
    """Agreement with the student over the share of its weights, and of its bits, that were obtained."""
    with styled():
        figure = new_figure(3.0, WIDTH)
        axis = figure.subplots()
        agreement = [100 * point.agreement for point in found.curve]
        for label, role, shares in (
            ("weights", "student", [100 * point.weights for point in found.curve]),
            ("bits", "baseline", [100 * point.bits for point in found.curve]),
        ):
            axis.plot(shares, agreement, marker="o", markersize=3, color=COLOURS[role], label=label)
        axis.axhline(100 * found.goal, color=FAINT, linewidth=0.8, linestyle="--")
        axis.set_xlim(0, 100)
        axis.set_ylim(0, 102)
        axis.set_xlabel("obtained of the student, from the head backwards, in percent")
        axis.set_ylabel("same answers in percent")
        axis.grid(axis="y")
        axis.legend(frameon=False, loc="lower right")
        axis.set_title("What is left to obtain for whoever knows the teacher")
        write_figure(figure, path)

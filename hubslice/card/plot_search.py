"""Plot a search: retention and accuracy of each epoch."""

from __future__ import annotations

from pathlib import Path

from hubslice.artefacts.report import Report
from hubslice.card.facts import floor_of
from hubslice.card.plot_style import COLOURS, FAINT, FRAME, INK, new_figure, styled, write_figure


def plot_search(report: Report, path: Path) -> bool:
    """Plot retention and validation accuracy (95 % band) over the epochs, the accuracy floor, and the chosen epoch.

    Returns whether there was something to draw, that is a slice that was searched for.
    """
    history = report.search
    if history is None:
        return False
    numbers = list(range(1, len(history.epochs) + 1))
    low, high = zip(*((epoch.validation.interval or (0.0, 0.0)) for epoch in history.epochs), strict=True)
    accuracy = [100 * (epoch.validation.value or 0.0) for epoch in history.epochs]
    kept = [100 * epoch.retention for epoch in history.epochs]
    floor = floor_of(report)
    with styled():
        figure = new_figure(2.6)
        axis = figure.subplots()
        axis.axvline(history.chosen + 1, color=FRAME, linewidth=5, alpha=0.5, label="epoch chosen", zorder=0)
        if floor is not None:
            axis.axhline(100 * floor, color=FAINT, linewidth=1.2, linestyle=(0, (4, 3)), label="accuracy floor")
        ends = [[100 * end for end in side] for side in (low, high)]
        axis.fill_between(numbers, *ends, color=INK, alpha=0.12, linewidth=0)
        look = {**_LINE, "markevery": -(-len(numbers) // 40)}
        axis.plot(numbers, accuracy, "-s", color=INK, label="validation accuracy", **look)
        axis.plot(numbers, kept, "-o", color=COLOURS["student"], label=f"{report.slice.counted} kept", **look)
        axis.set_xlim(0.5, len(numbers) + 0.5)
        axis.set_ylim(0, 101)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(axis="y")
        axis.set_xlabel("epoch of the search")
        axis.set_ylabel("percent")
        handles, labels = axis.get_legend_handles_labels()
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
        axis.legend(handles[::-1], labels[::-1], ncols=4, frameon=False, columnspacing=1.2, **place)
        write_figure(figure, path)
    return True


_LINE = {"linewidth": 1.8, "markersize": 5.5, "markeredgecolor": "white"}

"""Plot the similarity of a model's layers to those of its candidates."""

from __future__ import annotations

from pathlib import Path

from hubslice.artefacts.lineage import Lineage
from hubslice.card.plot_style import FAINT, WIDTH, new_figure, styled, write_figure
from hubslice.core.escaping import plot_label

_LINES = 5  # candidates with their own colour
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


def plot_lineage(found: Lineage, path: Path) -> bool:
    """Plot the correlation by layer, a line for each of the best candidates, and the level of chance.

    Returns whether there was something to draw.
    """
    shown = [other for other in found.candidates if other.layers][:_LINES]
    if not shown:
        return False
    names = list(dict.fromkeys(layer.layer for other in shown for layer in other.layers))
    place = {name: number for number, name in enumerate(names)}
    with styled():
        figure = new_figure(3.6 + 0.15 * len(shown), WIDTH)
        axis = figure.subplots()
        for other, colour in zip(shown, _COLOURS, strict=False):
            layers = sorted(other.layers, key=lambda layer: place[layer.layer])
            score = "no score" if other.score is None else f"{other.score:.2f}"
            at = [place[layer.layer] for layer in layers]
            label = f"{plot_label(other.candidate, 28, last=True)}: {other.verdict} ({score})"
            axis.plot(at, [layer.correlation for layer in layers], marker="o", markersize=3, color=colour, label=label)
            null = [3 * layer.null for layer in layers]
            axis.fill_between(at, [-each for each in null], null, color=FAINT, alpha=0.12, linewidth=0)
        axis.axhline(0, color=FAINT, linewidth=0.8)
        axis.set_ylim(-0.3, 1.05)
        axis.set_ylabel("correlation of weights")
        if len(names) <= 24:
            labels = [plot_label(name, 28, last=True) for name in names]
            axis.set_xticks(range(len(names)), labels, rotation=60, ha="right", fontsize=6)
        else:
            axis.set_xlabel("layers, in the order of the file")
        axis.grid(axis="y")
        figure.legend(frameon=False, fontsize=8, loc="outside lower left")
        axis.set_title("Layers and those they are most like; grey: three deviations of chance")
        write_figure(figure, path)
    return True

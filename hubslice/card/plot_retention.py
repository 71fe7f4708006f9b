"""Plot the slice: the share of each layer that is relevant, and the share that is not zero after training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubslice.artefacts.report import LayerReport, Report
from hubslice.card.plot_style import COLOURS, FAINT, FRAME, INK, new_figure, styled, write_figure
from hubslice.core.escaping import plot_label

_ROWS = 40  # maximum layers with a labelled row; more are drawn along the x axis


def plot_retention(report: Report, path: Path) -> None:
    """Plot each layer in network order: a dot at the share relevant at slice time, a ring at that non-zero later."""
    layers = [layer for layer in report.slice.layers if layer.weights]
    with styled():
        if len(layers) <= _ROWS:
            figure = new_figure(0.19 * len(layers) + 1.1)
            _rows(figure.subplots(), layers)
        else:
            figure = new_figure(3.6)
            _columns(figure.subplots(), layers)
        write_figure(figure, path)


def _rows(axis: Any, layers: list[LayerReport]) -> None:
    places = list(range(len(layers)))
    kept, after = _shares(layers)
    axis.hlines(places, kept, after, color=FRAME, linewidth=1.2)
    axis.plot(after, places, "o", **_RING)
    axis.plot(kept, places, "o", **_DOT)
    axis.set_yticks(
        places, [plot_label(layer.parameter.removesuffix(".weight"), last=True) for layer in layers], fontsize=7.5
    )
    for place, layer in zip(places, layers, strict=True):
        axis.text(1.015, place, _size(layer.weights), transform=axis.get_yaxis_transform(), **_SMALL)
    axis.text(1.015, -1.2, "weights", transform=axis.get_yaxis_transform(), **_SMALL)
    axis.set_ylim(len(layers) - 0.5, -0.5)
    axis.set_xlim(*_range(kept))
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x")
    axis.set_xlabel("percent of the layer's weights")
    _legend(axis)


def _columns(axis: Any, layers: list[LayerReport]) -> None:
    places = list(range(len(layers)))
    kept, after = _shares(layers)
    axis.vlines(places, kept, after, color=FRAME, linewidth=0.8)
    axis.plot(places, after, "o", **{**_RING, "markersize": 5 if len(layers) <= 100 else 4})
    axis.plot(places, kept, "o", **{**_DOT, "markersize": 3})
    starts = _blocks(layers)
    labels = _thinned(starts, len(layers) / 22)
    axis.set_xticks([start for start, _ in labels], [name for _, name in labels], fontsize=7.5)
    axis.tick_params(axis="x", labelrotation=40)
    for label in axis.get_xticklabels():
        label.set_horizontalalignment("right")
        label.set_rotation_mode("anchor")
    axis.set_xlim(-1, len(layers))
    axis.set_ylim(*_range(kept))
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.grid(axis="y")
    axis.set_ylabel("percent of the layer's weights")
    axis.set_xlabel(f"{len(layers)} sliced layers, from input to output")
    _legend(axis)


_DOT = {"color": COLOURS["student"], "markersize": 5, "label": "relevant at slice time"}
_RING = {"color": INK, "markerfacecolor": "white", "markersize": 7.5, "label": "not zero after training"}
_SMALL = {"va": "center", "fontsize": 7, "color": FAINT}


def _legend(axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
    axis.legend(handles[::-1], labels[::-1], ncols=2, frameon=False, **place)


def _shares(layers: list[LayerReport]) -> tuple[list[float], list[float]]:
    kept = [100 * layer.relevant / layer.weights for layer in layers]
    after = [100 * layer.nonzero_after / layer.weights for layer in layers]
    return kept, after


def _range(kept: list[float]) -> tuple[float, float]:
    low = 10 * (min(kept, default=0.0) // 10)
    return (0.0 if low <= 30 else low), 101.0


def _size(weights: int) -> str:
    if weights < 1000:
        return str(weights)
    return f"{weights / 1e3:.0f} k" if weights < 999_500 else f"{weights / 1e6:.1f} M"


def _blocks(layers: list[LayerReport]) -> list[tuple[int, str]]:
    """Return the starts of blocks: (index, name), using as many name parts as give at most 22 blocks."""
    names = [layer.parameter.removesuffix(".weight").split(".") for layer in layers]
    shared = next((depth for depth, parts in enumerate(zip(*names, strict=False)) if len(set(parts)) > 1), 0)
    starts: list[tuple[int, str]] = []
    for depth in (4, 3, 2, 1):
        starts = []
        for index, parts in enumerate(names):
            own = parts[shared:] or parts[-1:]
            name = ".".join(own[: min(depth, max(1, len(own) - 1))])
            if not starts or starts[-1][1] != name:
                starts.append((index, name))
        if len(starts) <= 22:
            break
    return starts


def _thinned(starts: list[tuple[int, str]], gap: float) -> list[tuple[int, str]]:
    kept: list[tuple[int, str]] = []
    for index, name in starts:
        if not kept or index - kept[-1][0] >= gap:
            kept.append((index, plot_label(name, 18)))
    return kept

"""Plot a model's execution patterns: operators as bars over time, beside the most similar known ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubslice.card.plot_style import FAINT, WIDTH, new_figure, styled, write_figure
from hubslice.core.escaping import plot_label

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")


@dataclass(frozen=True)
class Timeline:
    """One inference: names and nanoseconds [events] of its operators; `known`: recorded for comparison."""

    label: str
    names: tuple[str, ...]
    durations: np.ndarray
    known: bool = False


def plot_execution(lines: Sequence[Timeline], path: Path) -> None:
    """Plot a row for each inference, all equally wide; the operators that take most time are coloured."""
    spent: defaultdict[str, float] = defaultdict(float)
    for line in lines:
        whole = max(line.durations.sum(dtype=float), 1.0)
        for name, duration in zip(line.names, line.durations, strict=True):
            spent[_operator(name)] += float(duration) / whole
    most = sorted(spent, key=lambda name: -spent[name])
    colours = dict(zip(most, _COLOURS, strict=False))
    with styled():
        figure = new_figure(1.4 + 0.42 * len(lines), WIDTH)
        axis = figure.subplots()
        for row, line in enumerate(lines):
            ends = np.cumsum(line.durations, dtype=float)
            whole = max(line.durations.sum(dtype=float), 1.0)
            bars = [
                (100 * (end - size) / whole, 100 * size / whole) for end, size in zip(ends, line.durations, strict=True)
            ]
            shades = [colours.get(_operator(name), FAINT) for name in line.names]
            height = 0.5 if line.known else 0.8
            axis.broken_barh(bars, (row - height / 2, height), facecolors=shades, edgecolor="white", linewidth=0.2)
        axis.set_yticks(range(len(lines)), [_label(line) for line in lines], fontsize=7)
        axis.invert_yaxis()
        axis.set_xlim(0, 100)
        axis.set_xlabel("time within operators, in percent")
        for name, colour in colours.items():
            axis.plot([], [], color=colour, linewidth=4, label=plot_label(name, 30))
        axis.plot([], [], color=FAINT, linewidth=4, label="others")
        figure.legend(frameon=False, fontsize=7, loc="outside lower left", ncols=4)
        axis.set_title("Operators of one inference; narrow: the known pattern most like it")
        write_figure(figure, path)


def _label(line: Timeline) -> str:
    label = plot_label(line.label, 34, last=True)
    return f"{label}\n{len(line.names)} events, {line.durations.sum(dtype=float) / 1e6:.3g} ms"


def _operator(name: str) -> str:
    """Return a common name for an operator in PyTorch and ONNX; all loops that a compiler fused have the same."""
    if "::" not in name and "_fused" in name:
        return "fused loops"
    plain = name.rpartition("::")[2].lower().replace("_", "").replace("2d", "")
    return {"linear": "gemm", "addmm": "gemm", "convolution": "conv", "averagepool": "avgpool"}.get(plain, plain)

"""Draw triggers as one PNG: the seed, the trigger, their amplified difference, and both models' predictions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from hubslice.artefacts.deviation import AnswerPair, Change, SeedResult
from hubslice.core.artefact import write_atomically
from hubslice.core.escaping import plot_label

SHOWN = 8  # maximum number of triggers
COLOURS = ("#0072B2", "#D55E00")  # the first model, the second
INK, FAINT = "#222222", "#767676"
STYLE = {"font.family": "DejaVu Sans", "font.size": 8, "text.color": INK, "text.parse_math": False}
SIDE, GAP, WORDS, HEAD = 1.5, 0.15, 4.0, 0.45  # inches
ROW = SIDE + 0.4


def write_gallery(
    path: Path,
    names: tuple[str, str],
    results: Sequence[SeedResult],
    images: Sequence[tuple[np.ndarray, np.ndarray]],
    title: str,
) -> None:
    """Draw results, each with its seed and its trigger uint8 [C, H, W]; of many, those most similar to their seeds."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    order = sorted(range(len(results)), key=lambda at: -_likeness(results[at]))[:SHOWN]
    width, height = 3 * (SIDE + GAP) + WORDS + GAP, HEAD + ROW * max(len(order), 1)
    with mpl.rc_context({**mpl.rcParamsDefault, **STYLE}):
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))  # a single one, in inches: many would be slow
        axes.axis("off")
        axes.text(GAP, 0.3, plot_label(title, 120), fontsize=11, fontweight="bold")
        for row, at in enumerate(order):
            _row(axes, HEAD + ROW * row, names, results[at], *images[at])
        if not order:
            axes.text(GAP, HEAD + 0.3, "no input was found on which the models deviate", color=FAINT)
        axes.set(xlim=(0, width), ylim=(height, 0))
        raw = BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box is drawn instead
            figure.savefig(raw, format="png", dpi=130, metadata={"Software": None})
    write_atomically(path, raw.getvalue())


def _row(
    axes: Any, top: float, names: tuple[str, str], result: SeedResult, seed: np.ndarray, trigger: np.ndarray
) -> None:
    change = trigger.astype(np.int16) - seed
    factor = max(1, 127 // max(int(np.abs(change).max()), 1))
    amplified = np.clip(128 + factor * change, 0, 255).astype(np.uint8)
    titles = (plot_label(result.name, 26, last=True), "trigger", f"difference x {factor}")
    left = GAP
    for title, image in zip(titles, (seed, trigger, amplified), strict=True):
        axes.text(left, top + 0.15, title, color=FAINT)
        tall, wide = (SIDE * side / max(image.shape[1:]) for side in image.shape[1:])
        axes.imshow(
            _shown(image), cmap="gray", vmin=0, vmax=255, extent=(left, left + wide, top + 0.22 + tall, top + 0.22)
        )
        left += SIDE + GAP
    for line, (name, colour, side) in enumerate(zip(names, COLOURS, ("a", "b"), strict=True)):
        down = top + 0.36 + 0.5 * line
        axes.text(left, down, plot_label(name, 46, last=True), color=colour, fontweight="bold")
        axes.text(left, down + 0.19, _told(result.before, result.after, side))
    if isinstance(result.change, Change):
        told = f"largest change {result.change.linf}/255, SSIM {result.change.ssim:.3f}; {result.queries:,} queries"
        axes.text(left, top + 1.45, told, color=FAINT)


def _told(before: AnswerPair, after: AnswerPair | None, side: str) -> str:
    shown = [getattr(pair, side) for pair in (before, after) if pair is not None]
    return "  →  ".join(
        f"{plot_label(answer.label.partition(',')[0], 22, last=True)} {answer.probability:.0%}" for answer in shown
    )


def _likeness(result: SeedResult) -> float:
    return result.change.ssim if isinstance(result.change, Change) else 0.0


def _shown(image: np.ndarray) -> np.ndarray:
    """Convert for Matplotlib: [H, W, 3], or [H, W] of the first channel if there are not three."""
    return image.transpose(1, 2, 0) if len(image) == 3 else image[0]

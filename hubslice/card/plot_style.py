"""The style of all plots: white, few lines, Okabe and Ito's colours, which colour-blind readers can distinguish."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from hubslice.core.artefact import write_atomically

INK, FAINT, GRID, FRAME = "#222222", "#767676", "#E4E4E4", "#B0B0B0"
COLOURS = {"student": "#0072B2", "baseline": "#D55E00", "control": "#6E6E6E"}
MARKERS = {"student": "o", "baseline": "s", "control": "D"}
WIDTH = 7.6  # inches

_STYLE = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so it is the same everywhere
    "font.size": 9,
    "axes.edgecolor": FRAME,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # names with `$` are not formulas
    "xtick.color": FRAME,
    "xtick.labelcolor": INK,
    "ytick.color": FRAME,
    "ytick.labelcolor": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def styled() -> Any:
    """Return a context in which figures have this style."""
    import matplotlib as mpl

    return mpl.rc_context({**mpl.rcParamsDefault, **_STYLE})


def new_figure(height: float, width: float = WIDTH) -> Any:
    """Return an empty figure, in inches, without a window or global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: Any, path: Path, *, photographs: bool = False) -> None:
    """Write the figure as a small, reproducible PNG: without time and program name.

    It has few colours, or all that `photographs` need at a lower resolution.
    """
    from PIL import Image

    raw, small = BytesIO(), BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box is drawn instead
        figure.savefig(raw, format="png", dpi=130 if photographs else 160, metadata={"Software": None})
    image = Image.open(raw).convert("RGB")
    if not photographs:
        image = image.quantize(colors=128, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    write_atomically(path, small.getvalue())

"""One PNG of a slice: where it looks in the first inputs, and which channels of which layers decide."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from hubslice.core.artefact import write_atomically
from hubslice.task.user_inputs import Given
from hubslice.tracing.engine import Traced
from hubslice.tracing.subject import Subject
from hubslice.verbs.explain.facts import Explanation
from hubslice.verbs.explain.views import STAGES, InputView, view

SHOWN = 4  # inputs
BARS = 5  # channels for and against, in each layer's chart
FOR, AGAINST, INK, FAINT = "#0072B2", "#D55E00", "#222222", "#767676"
STYLE = {"font.family": "DejaVu Sans", "font.size": 8, "text.color": INK, "axes.edgecolor": "#B0B0B0"}
COLUMN = 2.05  # inches


def write_picture(path: Path, subject: Subject, given: Given, traced: Traced, facts: Explanation) -> None:
    """Draw the first inputs, each with its heat by layer, above charts of the channels that decide in those layers."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    views = [view(subject, given.pixels(at, at + 1)[0].numpy(), traced, at) for at in range(min(SHOWN, len(given)))]
    columns = 2 + STAGES
    with mpl.rc_context({**mpl.rcParamsDefault, **STYLE}):
        figure = Figure(figsize=(COLUMN * columns, (COLUMN + 0.35) * len(views) + 2.9), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(len(views) + 1, columns, height_ratios=[*[COLUMN + 0.3] * len(views), 2.3])
        figure.suptitle(_title(facts), x=0.01, ha="left", fontsize=12, fontweight="bold")
        for row, (shown, about) in enumerate(zip(views, facts.inputs, strict=False)):
            _row(
                figure,
                grid,
                row,
                shown,
                f"{_short(about.target.partition(',')[0], 20)}  {about.target_probability:.0%}",
            )
        _charts(figure, grid, len(views), facts, views[0])
        raw = BytesIO()
        figure.savefig(raw, format="png", dpi=130, metadata={"Software": None})
    write_atomically(path, raw.getvalue())


def _title(facts: Explanation) -> str:
    targets = {entry.target for entry in facts.inputs}
    if len(targets) == 1 and any(entry.target != entry.answer for entry in facts.inputs):
        return f"What in {facts.architecture} speaks for “{_short(targets.pop())}”"
    what = f"the answer “{_short(targets.pop())}”" if len(targets) == 1 else f"{len(facts.inputs)} answers"
    return f"What decided {what} of {facts.architecture}"


def _row(figure: Any, grid: Any, row: int, shown: InputView, caption: str) -> None:
    pictures = [(caption, shown.photo), ("where late layers look", shown.heat)]
    pictures += [(_tail(stage.layer), stage.picture) for stage in shown.stages]
    for column, (title, picture) in enumerate(pictures):
        axes = figure.add_subplot(grid[row, column])
        axes.imshow(picture)
        axes.set_title(title, fontsize=8, color=INK if column == 0 else FAINT, loc="left")
        axes.axis("off")


def _charts(figure: Any, grid: Any, row: int, facts: Explanation, first: InputView) -> None:
    live = figure.add_subplot(grid[row, :2])
    shares = [layer.live_neurons for layer in facts.layers]
    live.bar(range(len(shares)), [100 * share for share in shares], width=1.0, color=FOR, linewidth=0)
    live.set_title("neurons that took part, by layer", fontsize=8, loc="left")
    live.set_xlabel("layers, from the input to the answer", color=FAINT)
    live.set_ylabel("%", color=FAINT)
    _plain(live)
    layers = {layer.name: layer for layer in facts.layers}
    for column, stage in enumerate(first.stages):
        layer = layers[stage.layer]
        chart = figure.add_subplot(grid[row, 2 + column])
        entries = [*layer.decisive[:BARS], *reversed(layer.opposing[:BARS])]
        values = [entry.force for entry in entries]
        chart.barh(range(len(entries)), values, color=[FOR if value > 0 else AGAINST for value in values])
        chart.set_yticks(range(len(entries)), [str(entry.channel) for entry in entries])
        chart.invert_yaxis()
        chart.set_title(f"channels of {_tail(layer.name)}", fontsize=8, loc="left")
        chart.set_xlabel("against  |  for", color=FAINT)
        _plain(chart)


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0, labelcolor=FAINT)


def _short(label: str, size: int = 34) -> str:
    return label if len(label) <= size else f"{label[: size - 1]}…"


def _tail(name: str, size: int = 22) -> str:
    return name if len(name) <= size else f"…{name[1 - size :]}"

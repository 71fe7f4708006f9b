"""Draw a slice as one PNG: where it looks in the first inputs, and the decisive channels by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubslice.card.plot_style import COLOURS, FAINT, INK, new_figure, styled, write_figure
from hubslice.core.escaping import plot_label
from hubslice.task.user_inputs import UserInputs
from hubslice.tracing.engine import Traced
from hubslice.tracing.traceable import TraceableModel
from hubslice.verbs.explain.facts import Explanation
from hubslice.verbs.explain.views import STAGES, InputView, view

SHOWN = 4  # inputs
BARS = 5  # channels for and against the target, in each layer's chart
FOR, AGAINST = COLOURS["student"], COLOURS["baseline"]
SIZE = 8  # points of everything but the heading
COLUMN = 2.05  # inches


def write_plot(path: Path, subject: TraceableModel, given: UserInputs, traced: Traced, facts: Explanation) -> None:
    """Draw the first inputs, each with its heat map by layer, above charts of the decisive channels in those layers."""
    views = [view(subject, given.pixels(at, at + 1)[0].numpy(), traced, at) for at in range(min(SHOWN, len(given)))]
    columns = 2 + STAGES
    with styled():
        figure = new_figure((COLUMN + 0.35) * len(views) + 2.9, COLUMN * columns)
        grid = figure.add_gridspec(len(views) + 1, columns, height_ratios=[*[COLUMN + 0.3] * len(views), 2.3])
        figure.suptitle(_title(facts), x=0.01, ha="left", fontsize=12, fontweight="bold")
        for row, (shown, about) in enumerate(zip(views, facts.inputs, strict=False)):
            label = plot_label(about.target.partition(",")[0], 20)
            _row(figure, grid, row, shown, f"{label}  {about.target_probability:.0%}")
        _charts(figure, grid, len(views), facts, views[0])
        write_figure(figure, path, photographs=True)


def _title(facts: Explanation) -> str:
    targets = {entry.target for entry in facts.inputs}
    if len(targets) == 1 and any(entry.target != entry.answer for entry in facts.inputs):
        return f"What in {plot_label(facts.architecture)} speaks for “{plot_label(targets.pop())}”"
    what = f"the answer “{plot_label(targets.pop())}”" if len(targets) == 1 else f"{len(facts.inputs)} answers"
    return f"What decided {what} of {plot_label(facts.architecture)}"


def _row(figure: Any, grid: Any, row: int, shown: InputView, caption: str) -> None:
    images = [(caption, shown.photo), ("where late layers look", shown.heat)]
    images += [(plot_label(stage.layer, 22, last=True), stage.image) for stage in shown.stages]
    for column, (title, image) in enumerate(images):
        axes = figure.add_subplot(grid[row, column])
        axes.imshow(image)
        _entitle(axes, title, color=INK if column == 0 else FAINT)
        axes.axis("off")


def _charts(figure: Any, grid: Any, row: int, facts: Explanation, first: InputView) -> None:
    live = figure.add_subplot(grid[row, :2])
    shares = [layer.live_neurons for layer in facts.layers]
    live.bar(range(len(shares)), [100 * share for share in shares], width=1.0, color=FOR, linewidth=0)
    _entitle(live, "neurons that took part, by layer")
    live.set_xlabel("layers, from the input to the answer", fontsize=SIZE, color=FAINT)
    live.set_ylabel("%", fontsize=SIZE, color=FAINT)
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
        _entitle(chart, f"channels of {plot_label(layer.name, 22, last=True)}")
        chart.set_xlabel("against  |  for", fontsize=SIZE, color=FAINT)
        _plain(chart)


def _plain(axes: Any) -> None:
    axes.tick_params(length=0, labelsize=SIZE, labelcolor=FAINT)


def _entitle(axes: Any, title: str, color: str = INK) -> None:
    axes.set_title(title, fontsize=SIZE, fontweight="normal", color=color)

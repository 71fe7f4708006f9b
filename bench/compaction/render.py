"""From outcomes to a table and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from hubslice.artefacts.report import BASELINE
from hubslice.card.plot_style import COLOURS, new_figure, styled, write_figure
from hubslice.core.artefact import Artefact, write_atomically
from hubslice.core.rate import Estimate, Rate
from hubslice.defects.rates import estimate, redrawn
from hubslice.verbs.latency.facts import LatencyReport, ModelCost

from ..inheritance.statistics import Spread
from .arms import MAGNITUDE, PLANNED, SEAM, SHORT
from .run import Outcome

HERE = Path(__file__).parent
OUTCOMES = HERE / "outcomes"
HEAD = (
    *("chosen by", "searched", "fine-tuned", "validation", "test", "seeds", "against whole", "against norms"),
    *("parameters", "MACs", "file", "batch 1", "batch 16"),
)


class Costs(Artefact):
    """What the models of a seed cost to run, each called after its arm; the whole network first."""

    report: LatencyReport
    machine: str


class Row:
    """An arm with one budget: its outcomes of all seeds, and what its models cost to run."""

    def __init__(self, outcomes: Sequence[Outcome], costs: Sequence[Costs]) -> None:
        self.outcomes = sorted(outcomes, key=lambda outcome: outcome.seed)
        models = [model for each in costs for model in each.report.models]
        self.costs: list[ModelCost] = [model for model in models if model.model == self.outcomes[0].arm]

    @property
    def title(self) -> str:
        """What the table and the plot call it."""
        return self.outcomes[0].title

    @property
    def test(self) -> Spread:
        """Test accuracy by seed."""
        return Spread(seeds=tuple(outcome.test for outcome in self.outcomes))


def outcome_path(name: str, epochs: int, seed: int) -> Path:
    """The outcome of an arm."""
    return OUTCOMES / f"{name}-{epochs}-{seed}.json"


def costs_path(seed: int) -> Path:
    """The costs of the models of a seed."""
    return OUTCOMES / f"costs-{seed}.json"


def rows() -> dict[tuple[str, int], Row]:
    """All arms with an outcome, by name and epochs of fine-tuning, in the order of the plan."""
    costs = [Costs.load(path) for path in sorted(OUTCOMES.glob("costs-*.json"))]
    found = {}
    for (name, epochs), seeds in PLANNED.items():
        paths = [path for seed in seeds if (path := outcome_path(name, epochs, seed)).is_file()]
        if paths:
            found[name, epochs] = Row([Outcome.load(path) for path in paths], costs)
    return found


def difference(one: Sequence[Outcome], other: Sequence[Outcome]) -> Estimate:
    """Mean test accuracy of one minus that of the other, over the seeds that both have, with a bootstrap interval.

    Images are drawn anew within each seed, the same for both.
    """
    pairs = [(a, b) for a in one for b in other if a.seed == b.seed]
    rng = np.random.default_rng(0)
    points, drawn = [], []
    for a, b in pairs:
        gained = np.array([int(x) - int(y) for x, y in zip(a.right, b.right, strict=True)])
        counts = np.array([(gained == value).sum() for value in (-1, 0, 1)])
        points.append(gained.mean())
        drawn.append(redrawn(counts, rng) @ (-1, 0, 1) / len(gained))
    return estimate(float(np.mean(points)), np.mean(drawn, axis=0), sum(len(a.right) for a, _ in pairs))


def render() -> None:
    """Write table.md and plot.png beside the outcomes."""
    found = rows()
    if not found:
        return
    write_atomically(HERE / "table.md", table(found))
    if any(row.costs for row in found.values()):
        with styled():
            _plot(found)


def table(found: dict[tuple[str, int], Row]) -> str:
    """The table."""
    missing = sum(map(len, PLANNED.values())) - sum(len(row.outcomes) for row in found.values())
    lines = [
        "# EfficientNet-Lite0 at half its multiplications: which channels to take out",
        "",
        *([f"{missing} of the planned models are not trained yet.", ""] if missing else []),
        "Ten classes of drawings at 96 pixels. Every model is fine-tuned alike (same images, order and crops by "
        "seed), saved, and loaded again for what is told here. *Searched*, *fine-tuned*: epochs, and their time as the "
        "mean over the seeds, on a machine that did other work besides. Accuracy in percent, mean over the seeds, 95 % "
        "Wilson interval over all their test images; *seeds*: each one's own. Differences in points, paired image "
        "by image, 95 % bootstrap intervals over the images; *against norms* is against the smallest norms, "
        "10 epochs; pairs are of the seeds that both have. Times: plain ONNX Runtime, one thread, all models of a seed "
        "in turns; the quickest tenth of the calls, since other processes ran, and the ratio to the whole network.",
        "",
        f"| {' | '.join(HEAD)} |",
        f"| --- | {' | '.join(['---:'] * (len(HEAD) - 1))} |",
    ]
    whole, norms = found.get((BASELINE, SHORT)), found.get((MAGNITUDE, SHORT))
    for row in found.values():
        lines.append(f"| {' | '.join([row.title, *_work(row), *_accuracy(row, whole, norms), *_cost(row)])} |")
    machines = sorted({outcome.machine for row in found.values() for outcome in row.outcomes})
    timed = sorted({Costs.load(path).machine for path in OUTCOMES.glob("costs-*.json")})
    lines += [
        "",
        "![accuracy against latency](plot.png)",
        "",
        f"`python -m bench.compaction`; trained: {'; '.join(machines)}. Timed: {'; '.join(timed)}.",
        "",
    ]
    return "\n".join(lines)


def _work(row: Row) -> list[str]:
    searches = [(len(o.search.epochs), o.slice_seconds or 0.0) for o in row.outcomes if o.search]
    searched = ""
    if searches:
        searched = f"{_range([epochs for epochs, _ in searches])} ({mean(seconds for _, seconds in searches):.0f} s)"
    return [searched, f"{row.outcomes[0].epochs} ({mean(o.train_seconds for o in row.outcomes):.0f} s)"]


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)} to {max(values)}"


def _accuracy(row: Row, whole: Row | None, norms: Row | None) -> list[str]:
    low, high = _interval(row)
    cells = [
        f"{100 * mean(o.validation.value or 0.0 for o in row.outcomes):.1f}",
        f"**{100 * row.test.mean:.1f}** [{100 * low:.1f}, {100 * high:.1f}]",
        ", ".join(f"{100 * (rate.value or 0.0):.1f}" for rate in row.test.seeds),
    ]
    for other in (whole, norms):
        if other is None or other is row:
            cells.append("")
        else:
            gain = difference(row.outcomes, other.outcomes)
            cells.append(f"{100 * gain.value:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]")
    return cells


def _interval(row: Row) -> tuple[float, float]:
    pooled = Rate(hits=sum(r.hits for r in row.test.seeds), total=sum(r.total for r in row.test.seeds))
    assert pooled.interval is not None
    return pooled.interval


def _cost(row: Row) -> list[str]:
    """Means over the seeds' models."""
    if not row.costs:
        return [""] * 5
    macs, share = mean(cost.macs or 0 for cost in row.costs), mean(cost.ratios["macs"] for cost in row.costs)
    cells = [
        f"{mean(cost.parameters for cost in row.costs) / 1e6:.2f} M",
        f"{macs / 1e6:.1f} M, {share:.1%}",
        f"{mean(cost.file_bytes for cost in row.costs) / 2**20:.2f} MiB",
    ]
    for index in range(len(row.costs[0].timings)):
        timings = [cost.timings[index] for cost in row.costs]
        cells.append(f"{mean(t.p10_ms for t in timings):.2f} ms, x {mean(t.ratio for t in timings):.2f}")
    return cells


def _plot(found: dict[tuple[str, int], Row]) -> None:
    figure = new_figure(3.2)
    panel: Any = figure.subplots(1, 1)
    for ((name, epochs), row), marker in zip(found.items(), "Dos^vPhX", strict=False):
        if not row.costs:
            continue
        x = mean(cost.timings[0].ratio for cost in row.costs)
        y, (low, high) = row.test.mean, _interval(row)
        colour = COLOURS["student" if name == SEAM else "control" if name == BASELINE else "baseline"]
        title = row.title if epochs == SHORT else f"{row.title}, {epochs} epochs"
        bars = [[100 * (y - low)], [100 * (high - y)]]
        panel.errorbar(
            x, 100 * y, yerr=bars, fmt=marker, color=colour, mec="white", ms=7, elinewidth=0.8, label=title, zorder=3
        )
    panel.set_xlim(left=0)
    panel.set_xlabel("time of one image, whole network = 1")
    panel.set_ylabel("test accuracy, %")
    figure.legend(loc="outside right upper", fontsize=7)
    write_figure(figure, HERE / "plot.png")

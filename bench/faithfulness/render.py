"""From outcomes to a table and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hubslice.card.plot_style import new_figure, styled, write_figure
from hubslice.core.artefact import write_atomically

from .networks import PROFILED, TITLES
from .outcome import Outcome
from .scores import METHODS

HERE = Path(__file__).parent
RIVALS = ("random", "gradient")
TONES = ("#0072b2", "#56b4e9", "#009e73", "#d55e00", "#e69f00", "#7f7f7f")


def outcomes() -> list[Outcome]:
    """All outcomes, in the order of networks."""
    paths = [HERE / "outcomes" / f"{name}.json" for name in TITLES]
    return [Outcome.load(path) for path in paths if path.is_file()]


def render() -> None:
    """Write table.md and plot.png beside the outcomes."""
    found = outcomes()
    lines = [
        "# Faithfulness: does ablating the channels that an explanation names lower the answer's logit?",
        "",
        "In one layer at a time the top 5 % of the channels by each method, image by image, are put to their means "
        f"over {PROFILED} training images. Told is what the logit of the model's answer loses, on average over the "
        "images and, in the first row, over the layers; in brackets 95 % bootstrap intervals of differences, over "
        "images, paired. More is better. *Gradient* is times the deviation from the mean: the linear estimate of "
        "just this ablation. *Random*: five draws. *Votes* are contributions, +1 or -1 for each use, summed "
        "over positions; *force* is those for the answer times the size of the neuron's deviation, by which `explain` "
        "ranks channels. Theta is 0.1 unless told. Force was chosen on other images, from the training split.",
        "",
    ]
    for outcome in found:
        lines += [
            f"## {TITLES[outcome.network]}: {outcome.images} images",
            "",
            f"The answer's logit is {outcome.logit:.2f} on average.",
            "",
            f"| layer | channels | {' | '.join(METHODS.values())} |",
            f"| --- | ---: |{' ---: |' * len(METHODS)}",
            f"| **all** | | {' | '.join(f'**{_over(outcome, method).mean():.2f}**' for method in METHODS)} |",
        ]
        for rival in RIVALS:
            cells = [
                "" if method == rival else _interval(_over(outcome, method) - _over(outcome, rival))
                for method in METHODS
            ]
            lines.append(f"| *against {METHODS[rival].split()[0]}* | | {' | '.join(cells)} |")
        for layer, drops in outcome.drops.items():
            cells = [f"{np.mean(drops[method]):.2f}" for method in METHODS]
            lines.append(f"| {layer} | {outcome.channels[layer]} | {' | '.join(cells)} |")
        lines.append("")
    machines = sorted({outcome.machine for outcome in found})
    lines += ["![what the logit loses, layer by layer](plot.png)", ""]
    lines += ["`python -m bench.faithfulness`; " + "; ".join(machines) + ".", ""]
    write_atomically(HERE / "table.md", "\n".join(lines))
    if found:
        with styled():
            _plot(found)


def _over(outcome: Outcome, method: str) -> np.ndarray:
    """Of each image the mean over the layers."""
    return np.array([drops[method] for drops in outcome.drops.values()]).mean(axis=0)


def _interval(differences: np.ndarray) -> str:
    rows = np.random.default_rng(0).integers(0, len(differences), (2000, len(differences)))
    low, high = np.percentile(differences[rows].mean(axis=1), [2.5, 97.5])
    return f"{differences.mean():+.2f} [{low:+.2f}, {high:+.2f}]"


def _plot(found: Sequence[Outcome]) -> None:
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(3.2)
    axes = figure.subplots(1, len(found), squeeze=False)[0]
    for panel, outcome in zip(axes, found, strict=True):
        for (method, name), colour in zip(METHODS.items(), TONES, strict=True):
            line = [np.mean(drops[method]) for drops in outcome.drops.values()]
            panel.plot(range(1, len(line) + 1), line, color=colour, label=name, linewidth=1.2)
        panel.axhline(0, color="0.6", linewidth=0.8)
        panel.set_title(TITLES[outcome.network].split(",")[0])
        panel.set_xlabel("layer, from early to late")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("lost by the answer's logit")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=7)
    write_figure(figure, HERE / "plot.png")

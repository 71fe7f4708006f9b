"""From the committed predictions to table.md, results.json and frontier.png."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hubslice.artefacts.report import BASELINE, CONTROL, TEACHER
from hubslice.card.plot_style import FAINT, INK, new_figure, styled, write_figure
from hubslice.core.artefact import Artefact, write_atomically
from hubslice.core.rate import Estimate

from .arms import RETRAIN, SETTINGS, TITLES, Setting, name_of
from .predictions import Predictions
from .statistics import Spread, Summary, summary

HERE = Path(__file__).parent
ATTACKS = {
    "backdoor-trigger": "Backdoor",
    "penultimate-guided-eps8": "Adversarial images from the teacher's features",
}
COLOURS = {
    "remos-published": "#D55E00",
    "remos-scaled": "#0072B2",
    "magnitude": "#009E73",
    "random": "#CC79A7",
    "seam": "#E69F00",
}
MARKERS = {"remos-published": "s", "remos-scaled": "o", "magnitude": "^", "random": "v", "seam": "D"}


class Results(Artefact):
    """Every arm under every attack, on the split that the numbers are for."""

    size: int
    setting: str
    split: str
    seeds: tuple[int, ...]
    images: tuple[int, ...]
    machines: tuple[str, ...]
    attacks: dict[str, tuple[Summary, ...]]


def render(size: int) -> None:
    """Write the tables, the plot and the results of an input size, as far as seeds were run."""
    folder = HERE / str(size)
    lines = [f"# What students inherit, at {size} x {size}", ""]
    shown = []
    for setting in SETTINGS.values():
        for split in ("test", "validation"):
            files = sorted((folder / setting.name).glob(f"seed-*-{split}.safetensors"))
            if not files:
                continue
            results = _results([Predictions.load(path) for path in files], size, setting, split)
            results.save(folder / setting.name / f"{split}.json")
            lines += _tables(results, setting)
            if split == "test":
                shown.append((setting, results))
    if not shown:
        return
    with styled():
        _plot(shown, folder / "frontier.png")
    machines = dict.fromkeys(line for _, results in shown for line in results.machines)
    lines[2:2] = ["![DIR over accuracy for every method and ratio](frontier.png)", ""]
    lines += ["`python -m bench.inheritance --seed N` made each seed:", "", *machines, ""]
    write_atomically(folder / "table.md", "\n".join(lines))


def _results(seeds: Sequence[Predictions], size: int, setting: Setting, split: str) -> Results:
    return Results(
        size=size,
        setting=setting.name,
        split=split,
        seeds=tuple(found.about["seed"] for found in seeds),
        images=tuple(len(found.labels) for found in seeds),
        machines=tuple(f"- seed {found.about['seed']}, {setting.name}: {found.about['machine']}" for found in seeds),
        attacks={attack: tuple(summary(seeds, arm.name, attack) for arm in setting.arms) for attack in ATTACKS},
    )


def _tables(results: Results, setting: Setting) -> list[str]:
    n = ", ".join(str(count) for count in results.images)
    seeds = ", ".join(str(seed) for seed in results.seeds)
    lines = []
    for attack, arms in results.attacks.items():
        controls = [source for source in arms[0].dir if source != TEACHER]
        asr = arms[0].asr is not None
        head = ["arm", "accuracy", "points lost", "DIR", "less DIR", *(["ASR"] if asr else [])]
        head += [f"DIR of {source}" for source in controls]
        lines += [
            f"## {ATTACKS[attack]}, {setting.name} training, {results.split} split",
            "",
            f"{setting.title}. Seeds {seeds}; {n} images. Percent: mean over the seeds (lowest to highest seed). "
            "Lost points and less DIR are against the fine-tuned arm [95 % bootstrap interval over images, paired].",
            "",
            f"| {' | '.join(head)} |",
            f"| --- |{' ---: |' * (len(head) - 1)}",
        ]
        for arm in arms:
            own = arm.arm == BASELINE
            cells = [arm.title, _spread(arm.accuracy), "" if own else _points(arm.drop), _spread(arm.dir[TEACHER])]
            cells.append("" if own else _points(arm.reduction))
            if asr:
                cells.append(_spread(arm.asr) if arm.asr else "")
            cells += [_spread(arm.dir[source]) for source in controls]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return lines


def _spread(found: Spread) -> str:
    low, high = found.ends
    return f"{100 * found.mean:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _points(found: Estimate) -> str:
    return f"{100 * found.value:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _plot(shown: Sequence[tuple[Setting, Results]], path: Path) -> None:
    """A row for each way of training, with all settings that train so."""
    ways = list(dict.fromkeys(setting.overrides for setting, _ in shown))
    figure = new_figure(3.1 * len(ways) + 0.6)
    axes = figure.subplots(len(ways), len(ATTACKS), sharex=True, sharey=True, squeeze=False)
    for row, way in zip(axes, ways, strict=True):
        alike = [(setting, results) for setting, results in shown if setting.overrides == way]
        for axis, attack in zip(row, ATTACKS, strict=True):
            for setting, results in reversed(alike):  # single marks are the first setting's
                by_name = {arm.arm: arm for arm in results.attacks[attack]}
                for family, ratios in setting.ratios.items():
                    _line(axis, family, [(ratio, by_name[name_of(family, ratio)]) for ratio in ratios])
            for name, label in ((BASELINE, "fine-tuned"), (CONTROL, "clean teacher"), (RETRAIN, "retrained")):
                if name in by_name:
                    _single(axis, by_name[name], label)
            title = f"{ATTACKS[attack]}\n{alike[0][0].name}: {way[0]}"
            axis.set_title(title, fontweight="normal", fontsize=8.5)
            axis.set_ylim(0, 100)
            axis.grid()
        row[0].set_ylabel("DIR in percent (lower is better)")
    for axis in axes[-1]:
        axis.set_xlabel("test accuracy in percent (mean over seeds)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    write_figure(figure, path)


def _line(axis: Any, family: str, points: list[tuple[float, Summary]]) -> None:
    x = [100 * arm.accuracy.mean for _, arm in points]
    y = [100 * arm.dir[TEACHER].mean for _, arm in points]
    low, high = ([100 * arm.dir[TEACHER].ends[end] for _, arm in points] for end in (0, 1))
    errors = [[a - b for a, b in zip(y, low, strict=True)], [b - a for a, b in zip(y, high, strict=True)]]
    look = {"color": COLOURS[family], "marker": MARKERS[family], "markeredgecolor": "white", "linewidth": 1.6}
    axis.errorbar(x, y, yerr=errors, label=TITLES[family], elinewidth=0.8, **look)
    for (ratio, _), left, top in zip(points, x, y, strict=True):
        note = {"xytext": (4, 4), "textcoords": "offset points", "fontsize": 7, "color": COLOURS[family]}
        axis.annotate(f"{ratio:.0%}", (left, top), **note)


def _single(axis: Any, arm: Summary, label: str) -> None:
    x, y = 100 * arm.accuracy.mean, 100 * arm.dir[TEACHER].mean
    axis.plot([x], [y], marker="D", color=INK, markersize=5, linestyle="none")
    axis.annotate(label, (x, y), xytext=(5, -9), textcoords="offset points", fontsize=7.5, color=FAINT)

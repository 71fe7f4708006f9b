"""From outcomes to a table and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

import numpy as np

from hubslice.card.plot_style import new_figure, styled, write_figure
from hubslice.core.artefact import write_atomically

from ..reuse.problems import TEACHERS
from .measures import RELEASED, TESTED, TRACED
from .run import TRAINING, Outcome
from .subsets import BARE_RATIOS, METHODS, RATIOS, TRAINED, TRAINED_RATIOS, subsets

HERE = Path(__file__).parent
TONES = ("#882255", "#0072b2", "#56b4e9", "#000000", "#009e73", "#d55e00", "#e69f00", "#cc79a7", "#f0e442", "#7f7f7f")
Kind = tuple[bool, bool]  # compensated, trained


def outcomes() -> list[Outcome]:
    """All outcomes, teacher by teacher, in the order of subsets."""
    return sorted(
        (Outcome.load(path) for path in (HERE / "outcomes").glob("*.json")), key=lambda o: (o.teacher, o.subset)
    )


def values(found: Sequence[Outcome], method: str, ratio: float, kind: Kind) -> dict[int, float]:
    """Accuracies of a method at a ratio, by subset."""
    return {
        outcome.subset: float(cell.accuracy.value or 0)
        for outcome in found
        for cell in outcome.cells
        if (cell.method, cell.ratio, cell.compensated, cell.trained) == (method, ratio, *kind)
    }


def render() -> None:
    """Write table.md and plot.png beside the outcomes."""
    found = outcomes()
    lines = [
        "# Simplified to some classes: which weights a network can do without",
        "",
        f"Fashion-MNIST. A teacher of ten classes, simplified to subsets of 2 to 9 of them ({len(subsets())} subsets, "
        "drawn with a seed); of every layer but the classifier the given fraction of the weights is set to zero. "
        f"Accuracy in percent on {TESTED} test images of each class of the subset, answers restricted to these "
        "classes: mean over the subsets. In brackets the difference to magnitude, in points, with the 95 % bootstrap "
        f"interval over subsets. Methods that look at images see {TRACED} training images of each class, the "
        f"released rule {RELEASED}. Means of what falls go on being added (*means kept*), for all methods alike; "
        "without that, the second table.",
        "",
    ]
    for teacher in TEACHERS.values():
        own = [outcome for outcome in found if outcome.teacher == teacher.name]
        plain = [outcome for outcome in own if not outcome.cells[0].trained]
        trained = [outcome for outcome in own if outcome.cells[0].trained]
        if plain:
            whole = mean(float(outcome.whole.value or 0) for outcome in plain)
            lines += [
                f"## {teacher.title}, {len(plain)} of {len(subsets())} subsets",
                "",
                f"The teacher, restricted likewise: {100 * whole:.1f}.",
                "",
                *_table("No training, means kept", plain, RATIOS, (True, False)),
                *_table("No training, nothing kept", plain, BARE_RATIOS, (False, False)),
            ]
        if trained:
            about = f"After an epoch on {TRAINING} images, weights held at zero, {len(trained)} of {TRAINED} subsets"
            lines += _table(about, trained, TRAINED_RATIOS, (True, True))
    machines = sorted({machine for outcome in found for machine in outcome.machines})
    lines += [
        "![accuracy over the fraction of weights set to zero](plot.png)",
        "",
        "`python -m bench.simplification --trained`; " + "; ".join(machines) + ".",
        "",
    ]
    write_atomically(HERE / "table.md", "\n".join(lines))
    if found:
        with styled():
            _plot(found)


def _table(title: str, found: Sequence[Outcome], ratios: Sequence[float], kind: Kind) -> list[str]:
    head = [f"{ratio:.0%} zero" for ratio in ratios]
    lines = [f"| {title} | {' | '.join(head)} |", f"| --- |{' ---: |' * len(head)}"]
    for method, name in METHODS.items():
        cells = [_cell(values(found, method, at, kind), values(found, "magnitude", at, kind)) for at in ratios]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(own: Mapping[int, float], other: Mapping[int, float]) -> str:
    if not own:
        return ""
    difference = 100 * np.array([own[subset] - other[subset] for subset in own])
    told = f"{100 * mean(own.values()):.1f}" + (f", {len(own)} subsets" if len(own) < len(other) else "")
    if not difference.any():
        return told
    rows = np.random.default_rng(0).integers(0, len(difference), (2000, len(difference)))
    low, high = np.percentile(difference[rows].mean(1), [2.5, 97.5])
    return f"{told} ({difference.mean():+.1f} [{low:+.1f}, {high:+.1f}])"


def _plot(found: Sequence[Outcome]) -> None:
    figure = new_figure(3.2)
    teachers = [t for t in TEACHERS.values() if any(o.teacher == t.name and not o.cells[0].trained for o in found)]
    axes = figure.subplots(1, len(teachers), sharey=True, squeeze=False)[0]
    for panel, teacher in zip(axes, teachers, strict=True):
        own = [outcome for outcome in found if outcome.teacher == teacher.name and not outcome.cells[0].trained]
        whole = 100 * mean(float(outcome.whole.value or 0) for outcome in own)
        for (method, name), colour in zip(METHODS.items(), TONES, strict=True):
            found_of = [values(own, method, ratio, (True, False)).values() for ratio in RATIOS]
            if not all(found_of):
                continue
            line = [100 * mean(each) for each in found_of]
            panel.plot([0, *(100 * ratio for ratio in RATIOS)], [whole, *line], color=colour, label=name, marker="o")
        panel.set_title(f"{teacher.title}, means kept")
        panel.set_xlabel("weights of each layer set to zero, %")
    axes[0].set_ylabel("accuracy on the\nsubset's classes, %")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=7)
    write_figure(figure, HERE / "plot.png")

"""From outcomes to a table and a plot."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

from hubslice.card.plot_style import new_figure, styled, write_figure
from hubslice.core.artefact import write_atomically
from hubslice.core.rate import Rate

from .attacks import SETTINGS
from .outcome import METHODS, Clean, Figure, Outcome, Variants

HERE = Path(__file__).parent
SHOWN = {
    "margin": "#6E6E6E",
    "mahalanobis": "#CC79A7",
    "maps": "#D55E00",
    "slice": "#56B4E9",
    "slice+margin": "#0072B2",
}


def outcomes() -> list[Outcome]:
    """All attacks that are measured, in the order of the settings."""
    paths = [HERE / "outcomes" / f"attack-{setting.name}.json" for setting in SETTINGS]
    return [Outcome.load(path) for path in paths if path.is_file()]


def render() -> None:
    """Write table.md and plot.png beside the outcomes."""
    found = outcomes()
    if not found:
        return
    clean, variants = Clean.load(HERE / "outcomes/clean.json"), Variants.load(HERE / "outcomes/variants.json")
    lines = [
        "# Detection: who notices adversarial images",
        "",
        *([f"{len(found)} of {len(SETTINGS)} attacks are measured so far.", ""] if len(found) < len(SETTINGS) else []),
        f"Fashion-MNIST, the VGG of [reuse](../reuse/table.md). Every method learned from the same {clean.fitted:,} "
        f"clean training images, none from attacks; {clean.held_out:,} more set the shipped detector's threshold. "
        "Successful attacks on test images that the model gets right, rounded to 8 bits, against "
        f"{found[0].clean:,} clean ones that it gets right. In percent, with 95 % bootstrap intervals.",
        "",
        "## AUROC",
        "",
        *_table(found, "auroc"),
        "",
        "## Recall at 5 % false positives",
        "",
        "The limit of each method is that which 5 % of the clean test images exceed. The tree is left out: it "
        "answers yes or no, and has no limit to set.",
        "",
        *_table(found, "recall"),
        "",
        "## The detector as shipped",
        "",
        f"Fitted for 5 % false positives, it flags {_rate(clean.flagged_right, clean.right)} of the clean images "
        f"that the model gets right, and {_rate(clean.flagged_wrong, clean.wrong)} of those that it gets wrong: "
        f"together {_rate(clean.flagged_right + clean.flagged_wrong, clean.right + clean.wrong)}.",
        "",
        "## What was chosen from",
        "",
        f"Mean AUROC of slices over the choice half of {len(variants.attacks)} attacks "
        f"({', '.join(variants.attacks)}); other images than those of the tables above.",
        "",
        "The classifier, the traced class and the kind of mean were chosen from on the same half: see "
        "[how](../README.md#detection-how-it-is-measured-and-what-came-out).",
        "",
        "| slices | AUROC |",
        "| --- | ---: |",
        *(f"| {name} | {100 * value:.1f} |" for name, value in variants.auroc.items()),
        "",
        "## Attacks",
        "",
        "| attack | from | in place of |",
        "| --- | --- | --- |",
        *(f"| {each.attack} | {each.source} | {each.instead or 'itself'} |" for each in found),
        "",
        "![AUROC by attack](plot.png)",
        "",
        "`python -m bench.detection`; " + "; ".join(sorted({each.machine for each in found})) + ".",
        "",
    ]
    write_atomically(HERE / "table.md", "\n".join(lines))
    with styled():
        _plot(found)


def _rate(hits: int, total: int) -> str:
    rate = Rate(hits=hits, total=total)
    assert rate.value is not None
    assert rate.interval is not None
    low, high = rate.interval
    return f"{100 * rate.value:.1f} % ({100 * low:.1f} to {100 * high:.1f}, n = {total})"


def _table(found: list[Outcome], kind: str) -> list[str]:
    methods = [method for method in METHODS if kind == "auroc" or method != "tree"]
    head = ["attack", "n", *(METHODS[method] for method in methods)]
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    for each in found:
        figures = [getattr(each.found[method], kind) for method in methods]
        best = max(figure.value for figure in figures)
        lines.append(f"| {each.attack} | {each.n} | {' | '.join(_cell(figure, best) for figure in figures)} |")
    means = [mean(getattr(each.found[method], kind).value for each in found) for method in methods]
    lines.append(f"| mean | | {' | '.join(f'{100 * value:.1f}' for value in means)} |")
    return lines


def _cell(figure: Figure, best: float) -> str:
    value = f"{100 * figure.value:.1f}"
    shown = f"**{value}**" if figure.value == best else value
    return f"{shown} ({100 * figure.low:.0f} to {100 * figure.high:.0f})"


def _plot(found: list[Outcome]) -> None:
    figure = new_figure(4.0)
    axes = figure.subplots()
    for at, (method, colour) in enumerate(SHOWN.items()):
        axes.scatter(
            [100 * each.found[method].auroc.value for each in found],
            [place + 0.12 * (at - 2) for place in range(len(found))],
            label=METHODS[method],
            color=colour,
            s=16,
        )
    axes.set_yticks(range(len(found)), [each.attack for each in found])
    axes.invert_yaxis()
    axes.axvline(50, color="0.6", linewidth=0.8)
    axes.set_xlabel("AUROC, %")
    axes.legend()
    write_figure(figure, HERE / "plot.png")

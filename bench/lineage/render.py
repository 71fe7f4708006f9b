"""From outcomes to table.md and two plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from hubslice.card.formats import rate
from hubslice.card.plot_style import FAINT, new_figure, styled, write_figure
from hubslice.core.artefact import write_atomically
from hubslice.core.rate import Rate

from . import exposures, families
from .deltas import Difference, Differences
from .exposures import Exposures
from .pairs import Outcome, Pair
from .scale import FULL, KINDS, is_test
from .search import Query, Searched
from .statistics import UNRELATED, above, alike, area, at_full_recall, called, roc, threshold

COLOURS = {"finetune": "#D55E00", "remos": "#0072B2", "seam": "#E69F00", "retrain": "#6E6E6E"}
MARKERS = {"finetune": "s", "remos": "o", "seam": "D", "retrain": "v"}


def render(outcomes: Path = FULL.outcomes, target: Path = FULL.outcomes.parent) -> None:
    """Write what can be made of the outcomes that are there."""
    pairs = [Outcome.load(path) for path in sorted(outcomes.glob("pairs-*.json"))]
    mixed = [Exposures.load(path) for path in sorted(outcomes.glob("exposure-*.json"))]
    saved = [Differences.load(path) for path in sorted(outcomes.glob("delta-*.json"))]
    found = [Searched.load(path) for path in outcomes.glob("search.json")]
    lines = ["# Lineage, exposure and differences", ""]
    lines += _pairs(pairs, target) if pairs else []
    for searched in found:
        lines += _search(searched)
    lines += _exposures(mixed, target) if mixed else []
    lines += _deltas(saved) if saved else []
    machines = sorted({each.machine for each in (*pairs, *mixed, *saved, *found)})
    if machines:
        lines += ["`python -m bench.lineage` made it:", "", *(f"- {machine}" for machine in machines), ""]
        write_atomically(target / "table.md", "\n".join(lines))


def _pairs(found: Sequence[Outcome], target: Path) -> list[str]:
    test = [pair for outcome in found if is_test(outcome.seed) for pair in outcome.pairs]
    fit = [pair for outcome in found if not is_test(outcome.seed) for pair in outcome.pairs]
    strangers = [pair for pair in test if pair.relation in UNRELATED]
    count = {half: len({(o.kind, o.seed) for o in found if is_test(o.seed) == half}) for half in (True, False)}
    kinds = ", ".join(kind.title for kind in KINDS if kind.name in {outcome.kind for outcome in found})
    lines = [
        "## Which model does this one come from?",
        "",
        f"{kinds}; {count[True]} families in the test, {count[False]} others from which thresholds may be set. A "
        "parent learns ten classes of drawings from random weights, its children five of them; strangers of one "
        "architecture saw the same images and differ in the seed. No model has names. *Found* is by the verdict as "
        "shipped, whose thresholds come from other networks (hubslice/ancestry/calibration.py); intervals are 95 %.",
        "",
        "| children beside their parents | found | scores | area under ROC | MiB read of | seconds |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for form, title in families.TITLES.items():
        own = [pair for pair in test if (pair.form, pair.relation) == (form, "parent")]
        if own:
            rest = [pair for pair in strangers if pair.form == form]
            lines.append(f"| {title} | {rate(called(own))} | {_span(own)} | {_area(own, rest)} | {_costs(own)} |")
    siblings = [pair for pair in test if pair.relation == "sibling"]
    if siblings:
        lines.append(
            f"| siblings | {rate(called(siblings))} | {_span(siblings)} | {_area(siblings, strangers)} "
            f"| {_costs(siblings)} |"
        )
    lines += [
        "",
        "| others | taken for relatives | by shapes alone | scores | MiB read of | seconds |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for relation in UNRELATED:
        own = [pair for pair in test if pair.relation == relation]
        if own:
            lines.append(f"| {relation} | {rate(called(own))} | {rate(alike(own))} | {_span(own)} | {_costs(own)} |")
    lines += ["", *_thresholds(test, fit), ""]
    _draw_roc(test, strangers, target / "roc.png")
    return [*lines, "![False and true positives over all thresholds](roc.png)", ""]


def _thresholds(test: Sequence[Pair], fit: Sequence[Pair]) -> list[str]:
    """A threshold from the other half, and what it does to the test; compacted children apart."""
    lines = [
        "| children | threshold from the other half | found by it | strangers and others above it | at full recall |",
        "| --- | ---: | --- | --- | --- |",
    ]
    for title, forms in (
        ("all but compacted", [form for form in families.TITLES if form not in families.COMPACT]),
        ("compacted", families.COMPACT),
    ):
        halves = []
        for half in (fit, test):
            related = [pair for pair in half if pair.relation == "parent" and pair.form in forms]
            others = [pair for pair in half if pair.relation in UNRELATED and pair.form in forms]
            halves.append((related, others))
        if any(not side for half in halves for side in half):
            continue
        limit = threshold(*halves[0])
        related, others = halves[1]
        cells = (rate(above(related, limit)), rate(above(others, limit)), rate(at_full_recall(related, others)))
        lines.append(f"| {title} | {limit:.3f} | {' | '.join(cells)} |")
    return lines


def _span(pairs: Sequence[Pair]) -> str:
    known = [pair.score for pair in pairs if pair.score is not None]
    none = len(pairs) - len(known)
    told = f"{min(known):.3f} to {max(known):.3f}" if known else ""
    return "; ".join(filter(None, (told, f"{none} not comparable" if none else "")))


def _area(related: Sequence[Pair], strangers: Sequence[Pair]) -> str:
    return f"{area(related, strangers):.4f}" if strangers else ""


def _costs(pairs: Sequence[Pair]) -> str:
    read, whole, seconds = (
        median(values)
        for values in (
            [pair.bytes_read / 2**20 for pair in pairs],
            [pair.bytes_whole / 2**20 for pair in pairs],
            [pair.seconds for pair in pairs],
        )
    )
    return f"{read:.2f} of {whole:.2f} | {seconds:.3f}"


def _draw_roc(test: Sequence[Pair], strangers: Sequence[Pair], path: Path) -> None:
    with styled():
        figure = new_figure(3.0, 5.0)
        axis = figure.subplots()
        for compact, label in ((False, "all but compacted"), (True, "compacted")):
            related = [
                pair for pair in test if pair.relation == "parent" and (pair.form in families.COMPACT) == compact
            ]
            others = [pair for pair in strangers if (pair.form in families.COMPACT) == compact]
            if related and others:
                false, true = roc(related, others)
                axis.step(100 * false, 100 * true, where="post", label=f"{label}, {len(related)} and {len(others)}")
        axis.set_xlabel("strangers above the threshold, in percent")
        axis.set_ylabel("children above it, in percent")
        axis.set_xlim(-2, 102)
        axis.set_ylim(0, 103)
        axis.grid()
        axis.legend(frameon=False, loc="lower right")
        write_figure(figure, path)


def _search(found: Searched) -> list[str]:
    queries = [query for query in found.queries if query.form not in {families.PARENT, families.RETRAINED}]
    strangers = [query for query in found.queries if query.form == families.RETRAINED]
    seconds = sorted(query.seconds for query in found.queries)
    lines = [
        f"## An index of {found.candidates:,}",
        "",
        f"{found.real} trained parents among networks of the same architectures with random weights: "
        f"{found.bytes / 2**20:.1f} MiB, {found.bytes / found.candidates / 1024:.1f} KiB each. Fingerprints take "
        f"{found.making:.0f} s to make (with the random networks), {found.loading:.2f} s to read; a search takes "
        f"{median(seconds):.2f} s in the median, "
        f"{seconds[-1]:.2f} s at the most.",
        "",
        "| searched for | finds its parent | parent first | others taken for relatives | same, without its parent |",
        "| --- | --- | --- | --- | --- |",
    ]
    for form, title in families.TITLES.items():
        own = [query for query in queries if query.form == form]
        if own:
            lines.append(f"| {title} | {_found(own)} |")
    lines.append(f"| **all** | {_found(queries)} |")
    if strangers:
        mistakes = Rate(hits=sum(query.own == "descendant" for query in strangers), total=len(strangers))
        others = Rate(hits=sum(query.mistaken > 0 for query in strangers), total=len(strangers))
        lines.append(f"| trained without the parent | {rate(mistakes)} | | {rate(others)} | |")
    return [*lines, ""]


def _found(queries: Sequence[Query]) -> str:
    total = len(queries)
    counts: Iterable[int] = (
        sum(query.own == "descendant" for query in queries),
        sum(query.first for query in queries),
        sum(query.mistaken > 0 for query in queries),
        sum(query.without > 0 for query in queries),
    )
    return " | ".join(rate(Rate(hits=count, total=total)) for count in counts)


def _exposures(found: Sequence[Exposures], target: Path) -> list[str]:
    goal, size = found[0].arms[0].curve.goal, found[0].size
    seeds = ", ".join(str(each.seed) for each in found)
    lines = [
        "## What the teacher gives away",
        "",
        f"{found[0].teacher}, students for the drawings at {size} x {size}; seeds {seeds}, "
        f"{found[0].arms[0].curve.inputs} test images each. To answer as the student does on {goal:.0%} of them, "
        "that much of it has to be obtained by somebody who has the teacher: leading bits of all weights, or whole "
        "layers beginning at the head. *Exposure*: of the leading bits that somebody without the teacher needs, what "
        "it spares. Mean over the seeds (lowest to highest), in percent.",
        "",
        "| student | accuracy | verdict, score | exposure | bits needed | without the teacher | whole layers, weights "
        "| same answers with the head alone |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for arm, title in exposures.TITLES.items():
        own = [each for seed in found for each in seed.arms if each.curve.arm == arm]
        scores = [each.score for each in own if each.score is not None]
        verdicts = ", ".join(dict.fromkeys(each.verdict for each in own))
        score = f" {min(scores):.2f} to {max(scores):.2f}" if scores else ""
        columns = (
            [each.curve.exposure for each in own],
            [each.curve.bits_needed for each in own],
            [each.curve.bits_alone for each in own],
            [each.curve.weights_needed for each in own],
            [each.curve.start for each in own],
        )
        accuracy = _spread([each.test.value or 0.0 for each in own])
        lines.append(f"| {title} | {accuracy} | {verdicts}{score} | {' | '.join(map(_spread, columns))} |")
    _draw_exposures(found, target / "exposure.png")
    return [*lines, "", "![Agreement over the share of weights and of bits obtained](exposure.png)", ""]


def _spread(values: Sequence[float]) -> str:
    mean = f"{100 * float(np.mean(values)):.1f}"
    return mean if len(values) == 1 else f"{mean} ({100 * min(values):.1f} to {100 * max(values):.1f})"


def _draw_exposures(found: Sequence[Exposures], path: Path) -> None:
    with styled():
        figure = new_figure(3.2)
        axes = figure.subplots(1, 2, sharey=True)
        for arm, title in exposures.TITLES.items():
            for number, seed in enumerate(found):
                curve = next(each.curve for each in seed.arms if each.curve.arm == arm)
                look = {"color": COLOURS[arm], "marker": MARKERS[arm], "markersize": 2.5, "linewidth": 1}
                axes[0].plot(
                    [100 * point.weights for point in curve.curve],
                    [100 * point.agreement for point in curve.curve],
                    drawstyle="steps-post",
                    label=None if number else title,
                    **look,
                )
                for points, style in ((curve.leading, "-"), (curve.alone, ":")):
                    shares = [100 * point.bits for point in points]
                    axes[1].plot(shares, [100 * point.agreement for point in points], linestyle=style, **look)
        below = (
            "weights obtained, as whole layers, in percent",
            "leading bits obtained, in percent (dotted: no teacher)",
        )
        for axis, text in zip(axes, below, strict=True):
            axis.axhline(100 * found[0].arms[0].curve.goal, color=FAINT, linewidth=0.8, linestyle="--")
            axis.set_xlabel(text)
            axis.set_xlim(0, 100)
            axis.set_ylim(0, 102)
            axis.grid()
        axes[0].set_ylabel("same answers in percent")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        write_figure(figure, path)


def _deltas(found: Sequence[Differences]) -> list[str]:
    lines = [
        "## A student as the difference to its teacher",
        "",
        "Sizes are shares of the student's own file, in percent: the median (lowest to highest). *Alone* is that file, "
        "compressed. Every student is put together again and compared byte by byte.",
        "",
        "| student | students | MiB | difference | alone | exact | seconds to make, to restore |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    everything = [each for one in found for each in one.found]
    for demo, names in ((True, exposures.TITLES), (False, families.TITLES)):
        for form, title in names.items():
            own = [each for each in everything if each.form == form and each.name.startswith("demo-") == demo]
            if own:
                lines.append(f"| {title}, {'demo' if demo else 'families'} | {_saved(own)} |")
    return [*lines, ""]


def _saved(own: Sequence[Difference]) -> str:
    shares = [
        [100 * part / each.whole for each, part in zip(own, parts, strict=True)]
        for parts in ([each.difference for each in own], [each.alone for each in own])
    ]
    cells = [f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})" for values in shares]
    size = median(each.whole / 2**20 for each in own)
    exact = f"{sum(each.exact for each in own)} of {len(own)}"
    seconds = f"{median(each.making for each in own):.1f}, {median(each.restoring for each in own):.1f}"
    return f"{len(own)} | {size:.2f} | {' | '.join(cells)} | {exact} | {seconds}"

"""From outcomes to a table and a plot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from hubslice.artefacts.repair import Repair, Standing
from hubslice.card.plot_style import FAINT, new_figure, styled, write_figure
from hubslice.core.artefact import write_atomically
from hubslice.core.rate import Rate

from .pairs import NAMES, TITLED
from .plan import (
    ALL_WAYS,
    BOUND_TITLES,
    BOUNDED_LARGE,
    BOUNDED_WAYS,
    GENETIC,
    OURS,
    PARTS,
    SEEDED,
    TAKEN_APART,
    WAYS,
    trials,
)
from .repairs import BOUNDED_BUDGET, BOUNDED_SEEDS, Repaired, jobs
from .repairs import BUDGET as REPAIR_BUDGET
from .repairs import SEEDS as REPAIR_SEEDS
from .run import Outcome
from .throughput import Throughput

HERE = Path(__file__).parent
OUTCOMES = HERE / "outcomes"
THROUGHPUT = HERE / "throughput.json"
LINES = {  # colour and dashes of a way
    OURS: ("#0072B2", "-"),
    "paper": ("#009E73", "-"),
    "released": ("#D55E00", "--"),
    GENETIC: ("#CC79A7", "-"),
    "random": ("#6E6E6E", ":"),
}

Found = Mapping[str, Outcome]  # by the trial's name


def outcomes() -> dict[str, Outcome]:
    """All that there are, in the order of the plan."""
    paths = {trial.name: OUTCOMES / f"{trial.name}.json" for trial in trials()}
    return {name: Outcome.load(path) for name, path in paths.items() if path.is_file()}


def render() -> None:
    """Write table.md and plot.png beside the outcomes."""
    found = outcomes()
    if found:
        write_atomically(HERE / "table.md", table(found))
        with styled():
            _plot(found)


def table(found: Found) -> str:
    """All tables."""
    missing = sum(1 for _ in trials()) - len(found)
    lines = [
        "# Finding inputs on which a model and its deployed form part",
        "",
        *([f"{missing} of the planned searches are not done yet.", ""] if missing else []),
        "Seeds are test images on which both models agree. *Triggers*: seeds for which one was found within the "
        "budget (2,000 queries, 1,000 for the networks of ImageNet's size), 95 % Wilson interval. *Queries a trigger*: "
        "all queries, those of seeds without a trigger, too, by triggers found; *x* is its ratio to hubslice's. "
        "*Median*: queries of the seeds with a trigger. *Seconds a trigger*: one core, beside other work; 64 seeds in "
        "lockstep. Change in the median: Euclidean length in levels of 8 bits, structural similarity. No bound on "
        "either, as in the paper, so that many triggers look like nothing; bounds are below. The ways: *margin* is "
        "hubslice's default; *TriggerFinder, mended* is the paper's fitness (difference and novelty) with correct "
        "arithmetic and directions; *as released* is how the authors' code behaves; *genetic search* breeds 20 "
        "mutants at a time towards uncertain answers (DiffChaser's idea; its code was not at hand).",
        "",
        *_comparison(found),
        "",
        "![triggers by budget](plot.png)",
        "",
        *_seeded(found),
        *_parts(found),
        *_bounds(found),
        *_repairs(),
        *_throughput(),
        f"`python -m bench.deviation`; {'; '.join(sorted({outcome.machine for outcome in found.values()}))}.",
        "",
    ]
    return "\n".join(lines)


def _comparison(found: Found) -> list[str]:
    lines = [
        "| pair | way | triggers | queries a trigger | x | median | seconds a trigger | change |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for pair in NAMES:
        ours = found.get(f"{pair}-{OURS}-0")
        for way, each in WAYS.items():
            if (outcome := found.get(f"{pair}-{way}-0")) is not None:
                cells = [_rate([outcome]), *_effort([outcome], ours)]
                lines.append(f"| {TITLED[pair]} | {each.title} | {' | '.join(cells)} |")
    return lines


def _seeded(found: Found) -> list[str]:
    lines = [
        "## Over random seeds",
        "",
        "Five random seeds, the same images; lowest to highest seed in brackets.",
        "",
        "| pair | way | random seeds | triggers | queries a trigger |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for pair in (*SEEDED, *TAKEN_APART):
        for way, each in WAYS.items():
            own = _of(found, pair, way)
            if len(own) > 1:
                lines.append(f"| {TITLED[pair]} | {each.title} | {len(own)} | {_rate(own)} | {_ends(own)} |")
    return [*lines, ""]


def _parts(found: Found) -> list[str]:
    lines = [
        "## What the parts do",
        "",
        "By fitness, novelty and the choice of operators (Metropolis-Hastings over ranked ones where nothing is said).",
        "",
        "| pair | way | random seeds | triggers | queries a trigger | median |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for pair in TAKEN_APART:
        for way, each in {OURS: WAYS[OURS], **PARTS, "paper": WAYS["paper"]}.items():
            own = _of(found, pair, way)
            if own:
                cells = [str(len(own)), _rate(own), _ends(own), f"{median(_hits(own)):g}"]
                lines.append(f"| {TITLED[pair]} | {each.title} | {' | '.join(cells)} |")
    return [*lines, ""]


def _bounds(found: Found) -> list[str]:
    lines = [
        "## With bounds",
        "",
        "100 seeds and 1,000 queries each (EfficientNet-Lite0: 30 seeds, 300 queries). Shrinking asks more.",
        "",
        "| pair | bound | way | triggers | queries a trigger | x | median | seconds a trigger | change | shrinking |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for pair in (*TAKEN_APART, BOUNDED_LARGE):
        for bound, title in BOUND_TITLES.items():
            ours = found.get(f"{pair}-{OURS}-{bound}-0")
            for way in BOUNDED_WAYS:
                if (outcome := found.get(f"{pair}-{way}-{bound}-0")) is not None:
                    shrinking = f"{outcome.shrinking / max(outcome.found, 1):.0f}" if outcome.shrinking else ""
                    cells = [_rate([outcome]), *_effort([outcome], ours), shrinking]
                    lines.append(f"| {TITLED[pair]} | {title} | {ALL_WAYS[way].title} | {' | '.join(cells)} |")
    return [*lines, ""]


def _repairs() -> list[str]:
    """One row a pair and bound, counts summed over the random seeds."""
    paths = {job: OUTCOMES / f"{job.name}.json" for job in jobs()}
    done = [Repaired.load(path) for path in paths.values() if path.is_file()]
    if not done:
        return []
    lines = [
        "## Repair",
        "",
        f"`hubslice diff --repair` as it comes: half of {REPAIR_SEEDS} seeds and their triggers (at most "
        f"{REPAIR_BUDGET:,} queries a seed; with a bound {BOUNDED_SEEDS} seeds, {BOUNDED_BUDGET} queries) teach the "
        "form the network's answers, the other half judges. Counts are summed over random "
        "seeds. *Gone*: held-out triggers that get the same answer now. *Triggers, median queries*: of the same search "
        "on the held-out seeds, before and after. Accuracy on test images that were not trained on.",
        "",
        "| pair | bound | random seeds | gone | triggers | median queries | accuracy | network's |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for pair, bound in dict.fromkeys((each.pair, each.bound) for each in done):
        own = [each.repair for each in done if (each.pair, each.bound) == (pair, bound)]
        gone = _sum([each.gone for each in own])
        before, after = (_sum([standing.found for standing in side]) for side in _sides(own))
        medians = [mean(standing.median_queries or 0 for standing in side) for side in _sides(own)]
        measured = [each.accuracy for each in own if each.accuracy is not None]
        cells = [
            TITLED[pair],
            BOUND_TITLES[bound] if bound else "none",
            str(len(own)),
            _told(gone),
            f"{100 * (before.value or 0):.1f} % to {100 * (after.value or 0):.1f} %",
            f"{medians[0]:.0f} to {medians[1]:.0f}",
            f"{100 * mean(each.before.value or 0 for each in measured):.1f} % to "
            f"{100 * mean(each.after.value or 0 for each in measured):.1f} %",
            f"{100 * mean(each.a.value or 0 for each in measured):.1f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _sides(own: Sequence[Repair]) -> tuple[list[Standing], list[Standing]]:
    return [each.before for each in own], [each.after for each in own]


def _sum(rates: Sequence[Rate]) -> Rate:
    return Rate(hits=sum(rate.hits for rate in rates), total=sum(rate.total for rate in rates))


def _throughput() -> list[str]:
    if not THROUGHPUT.is_file():
        return []
    told = Throughput.load(THROUGHPUT)
    alone = told.rates[min(told.rates)]
    lines = [
        "## Throughput",
        "",
        f"{told.pair}; a query asks both models. Random mutations. A call always holds 8 images, so that results do "
        "not depend on how many seeds there are; fewer at a time leave a part of it unused.",
        "",
        f"| seeds at a time | {' | '.join(map(str, told.rates))} |",
        f"| --- | {' | '.join(['---:'] * len(told.rates))} |",
        f"| queries a second | {' | '.join(f'{rate:,.0f}' for rate in told.rates.values())} |",
        f"| beside one at a time | {' | '.join(f'x {rate / alone:.1f}' for rate in told.rates.values())} |",
    ]
    return [*lines, "", f"Measured: {told.machine}.", ""]


def _of(found: Found, pair: str, way: str) -> list[Outcome]:
    return [each for each in found.values() if (each.pair, each.way, each.bound) == (pair, way, "")]


def _hits(own: Iterable[Outcome]) -> list[int]:
    return [query for each in own for query in each.queries if query is not None] or [0]


def _rate(own: Sequence[Outcome]) -> str:
    return _told(Rate(hits=sum(each.found for each in own), total=sum(len(each.queries) for each in own)))


def _told(rate: Rate) -> str:
    assert rate.interval is not None
    low, high = rate.interval
    return f"{rate.hits} of {rate.total}, {100 * (rate.value or 0):.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _price(outcome: Outcome) -> float:
    """Queries a trigger."""
    return outcome.asked / max(outcome.found, 1)


def _ends(own: Sequence[Outcome]) -> str:
    prices = [_price(each) for each in own]
    return f"{mean(prices):.1f} [{min(prices):.1f}, {max(prices):.1f}]"


def _effort(own: Sequence[Outcome], ours: Outcome | None) -> list[str]:
    (outcome,) = own
    if not outcome.found:
        return [f"none in {outcome.asked:,}", "", "", "", ""]
    ratio = "" if ours is None or ours is outcome else f"{_price(outcome) / _price(ours):.1f}"
    return [
        f"{_price(outcome):,.1f}",
        ratio,
        f"{median(_hits(own)):g}",
        f"{outcome.seconds / outcome.found:.2f}",
        f"{median(outcome.l2):,.0f}, {median(outcome.ssim):.2f}",
    ]


def _plot(found: Found) -> None:
    """Triggers found against the budget, one panel a pair."""
    figure = new_figure(7.2, width=9.6)
    panels: Any = figure.subplots(4, 3, sharey=True)
    for pair, panel in zip(NAMES, panels.flat, strict=True):
        panel.set_title(TITLED[pair], fontsize=8)
        panel.set_xscale("log")
        panel.set_ylim(0, 103)
        panel.grid(axis="y")
        panel.tick_params(labelsize=7)
        for way, each in WAYS.items():
            outcome = found.get(f"{pair}-{way}-0")
            if outcome is None or not outcome.queries:
                continue
            hits = sorted(query for query in outcome.queries if query is not None)
            shares = [100 * (at + 1) / len(outcome.queries) for at in range(len(hits))]
            last = shares[-1] if shares else 0.0
            colour, dashes = LINES[way]
            panel.step(
                [1, *hits, outcome.budget],
                [0, *shares, last],
                where="post",
                color=colour,
                linestyle=dashes,
                linewidth=1.4,
                label=each.title,
            )
    for panel in panels[-1]:
        panel.set_xlabel("queries a seed", fontsize=8)
    for row in panels:
        row[0].set_ylabel("% of seeds", fontsize=8)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, labelcolor=FAINT, fontsize=8)
    write_figure(figure, HERE / "plot.png")

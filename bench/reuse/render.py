"""From outcomes to a table and a plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

from hubslice.card.plot_style import COLOURS, new_figure, styled, write_figure
from hubslice.core.artefact import write_atomically

from .problems import PROBLEMS, SETTINGS, TEACHERS
from .run import Outcome, name_of
from .times import COMPACT, Costs

HERE = Path(__file__).parent
OUTCOMES, COSTS = HERE / "outcomes", HERE / "costs"
# Columns of the table: the module, then what it is fairly or unfairly compared with.
COLUMNS = {
    "student": "module",
    "teacher": "teacher as it is",
    "told": "teacher, told the task",
    "finetune": "all weights, trained alike",
    "magnitude": "largest magnitudes",
    "random": "random weights",
}
FAIR = ("told", "finetune")


def outcomes() -> list[Outcome]:
    """All outcomes, in the order of teachers, settings and problems."""
    found = [Outcome.load(path) for path in OUTCOMES.glob("*.json")]
    order = [list(TEACHERS), list(SETTINGS), list(PROBLEMS)]
    return sorted(
        found, key=lambda o: [o_.index(v) for o_, v in zip(order, (o.teacher, o.setting, o.problem), strict=True)]
    )


def accuracy(outcome: Outcome, column: str, split: str = "test") -> float:
    """Of a column, whose name may stand for that which the problem has."""
    names = ("teacher-threshold", "teacher-restricted") if column == "told" else (column,)
    found = next(outcome.accuracies[name] for name in names if name in outcome.accuracies)
    return float(getattr(found, split).value or 0.0)


def fair(outcome: Outcome) -> float:
    """Test accuracy of the fair baseline that is best on validation."""
    best = max(FAIR, key=lambda column: accuracy(outcome, column, "validation"))
    return accuracy(outcome, best)


def render() -> None:
    """Write table.md and plot.png beside the outcomes."""
    found = outcomes()
    lines = [
        "# Direct reuse: what a part of the classes needs of a network that knows them all",
        "",
        *([f"{len(found)} of {_planned()} problems are solved so far.", ""] if len(found) < _planned() else []),
        "Fashion-MNIST. Ten problems of one class against the rest (as many others), three groups of "
        "classes. Accuracy on the test split in percent, retention of the sliceable weights; gains in points. "
        "*Told the task*: the teacher's odds with a limit tuned on validation (one class), or its answers among the "
        "group's classes. "
        "*Best fair* is whichever of that and of all weights, trained like the module, is better on validation. One "
        "seed, one teacher each; the interval of a single accuracy is about ±1 point (n = 2,000 to 4,000).",
        "",
        "## Means",
        "",
        *_head("problems"),
    ]
    for teacher in TEACHERS.values():
        for setting in teacher.settings:
            for title, kind in (("one class", True), ("groups", False)):
                some = [
                    o
                    for o in found
                    if (o.teacher, o.setting) == (teacher.name, setting) and PROBLEMS[o.problem].against_rest == kind
                ]
                if some:
                    lines.append(_row(f"{teacher.title} | {SETTINGS[setting].title} | {len(some)} x {title}", some))
    if speed := _speed(found):
        lines += [
            "",
            "## What they cost",
            "",
            "Plain ONNX Runtime, one thread, batch normalisation folded, in turns; ratios are to all weights, trained "
            "alike (dense). *Twice as fast*: in batches of 1 and of 16. *And no worse*: of those modules the "
            "ones at least as accurate on the test split as the best fair baseline.",
            "",
            *speed,
        ]
    lines += ["", "## Every problem", ""]
    lines += _head("problem")
    lines += [_row(f"{o.teacher} | {SETTINGS[o.setting].title} | {o.problem}", [o]) for o in found]
    machines = sorted({o.machine for o in found})
    lines += [
        "",
        "![module against the best fair baseline](plot.png)",
        "",
        "`python -m bench.reuse`; " + "; ".join(machines) + ".",
        "",
    ]
    write_atomically(HERE / "table.md", "\n".join(lines))
    if found:
        with styled():
            _plot(found)


def _planned() -> int:
    return sum(len(teacher.settings) for teacher in TEACHERS.values()) * len(PROBLEMS)


def _speed(found: Sequence[Outcome]) -> list[str]:
    """What the forms cost: means over a teacher's problems, and how many modules run twice as fast at least."""
    head = ["teacher", "slice of", "form", "problems", "parameters", "MACs", "file", "batch 1", "batch 16"]
    head += ["twice as fast", "and no worse"]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---'] * 3 + ['---:'] * (len(head) - 3))} |"]
    for teacher in TEACHERS.values():
        for setting in teacher.settings:
            timed = list(_timed(found, teacher.name, setting))
            for form in dict.fromkeys(cost.model for _, each in timed for cost in each.models):
                lines.append(f"| {teacher.title} | {SETTINGS[setting].title} | {_cost_row(form, timed)} |")
    return lines if len(lines) > 2 else []


def _timed(found: Sequence[Outcome], teacher: str, setting: str) -> Iterator[tuple[Outcome, Costs]]:
    for outcome in found:
        if (outcome.teacher, outcome.setting) == (teacher, setting):
            path = COSTS / f"{name_of(TEACHERS[teacher], SETTINGS[setting], PROBLEMS[outcome.problem])}.json"
            if path.is_file():
                yield outcome, Costs.load(path)


def _cost_row(form: str, timed: Sequence[tuple[Outcome, Costs]]) -> str:
    timed = [(o, each) for o, each in timed if any(cost.model == form for cost in each.models)]
    costs = [next(cost for cost in each.models if cost.model == form) for _, each in timed]
    cells = [form, str(len(costs)), f"{mean(cost.parameters for cost in costs) / 1e3:.0f} k"]
    macs = [cost.macs for cost in costs if cost.macs is not None]
    cells += [f"{mean(macs) / 1e6:.1f} M", f"{mean(cost.file_bytes for cost in costs) / 2**20:.2f} MiB"]
    for at in range(2):
        times = [cost.timings[at] for cost in costs]
        cells.append(f"{mean(t.median_ms for t in times):.2f} ms, x {mean(t.ratio for t in times):.2f}")
    if form != COMPACT:
        return " | ".join([*cells, "", ""])
    quick = [o for (o, _), cost in zip(timed, costs, strict=True) if all(t.ratio <= 0.5 for t in cost.timings)]
    good = [o for o in quick if accuracy(o, "student") >= fair(o)]
    return " | ".join([*cells, f"{len(quick)} of {len(costs)}", f"{len(good)}"])


def _head(first: str) -> list[str]:
    cells = ["teacher", "slice of", first, "retention", *COLUMNS.values(), "gain, as it is", "gain, best fair"]
    return [f"| {' | '.join(cells)} |", f"| {' | '.join(['---'] * 3 + ['---:'] * (len(cells) - 3))} |"]


def _row(head: str, some: Sequence[Outcome]) -> str:
    cells = [f"{100 * mean(o.retention for o in some):.1f}"]
    cells += [f"{100 * mean(accuracy(o, column) for o in some):.1f}" for column in COLUMNS]
    for against in (lambda o: accuracy(o, "teacher"), fair):
        cells.append(f"{100 * mean(accuracy(o, 'student') - against(o) for o in some):+.1f}")
    return f"| {head} | {' | '.join(cells)} |"


def _plot(found: Sequence[Outcome]) -> None:
    figure = new_figure(3.2)
    solved = [teacher for teacher in TEACHERS.values() if any(o.teacher == teacher.name for o in found)]
    axes = figure.subplots(1, len(solved), sharey=True, squeeze=False)[0]
    for panel, teacher in zip(axes, solved, strict=True):
        for setting, colour in zip(SETTINGS, COLOURS.values(), strict=False):
            some = [o for o in found if (o.teacher, o.setting) == (teacher.name, setting)]
            if not some:
                continue
            panel.scatter(
                [100 * o.retention for o in some],
                [100 * (accuracy(o, "student") - fair(o)) for o in some],
                label=SETTINGS[setting].title,
                color=colour,
                s=18,
            )
        panel.axhline(0, color="0.6", linewidth=0.8)
        panel.set_xscale("log")
        panel.set_title(teacher.title)
        panel.set_xlabel("weights kept, %")
    axes[0].set_ylabel("accuracy against the\nbest fair baseline, points")
    axes[0].legend()
    write_figure(figure, HERE / "plot.png")

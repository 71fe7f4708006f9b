"""From counts to a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hubslice.core.artefact import write_atomically
from hubslice.core.rate import Rate
from hubslice.verbs.execution.stacks import STACKS

from .judge import COUNT, SIGHTS, Cell, Results
from .networks import SIDE
from .run import CONDITIONS

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
SEES = {"names": "names and durations", "durations": "durations alone", COUNT: "the number of events alone"}


def render(found: Results) -> None:
    """Write table.md."""
    count = len(found.networks)
    lines = [
        "# Execution patterns: which network runs there, and on what?",
        "",
        f"{count} architectures of timm with random weights, one image of {SIDE} x {SIDE} on one thread, recorded "
        f"{found.runs} times on each stack to be known by; then, with other weights and in new sessions, {found.runs} "
        "times again. An attacker names the nearest known pattern. In percent of single runs; in brackets 95 % "
        "intervals that count every architecture once, since runs of one are much alike. *Together*: the runs of "
        f"an architecture as one. Guessing: {100 / count:.1f} % of the architectures, {100 / len(found.stacks):.1f} % "
        "of the stacks.",
        "",
        "Stacks: " + "; ".join(f"`{name}`: {STACKS[name].title}" for name in found.stacks) + ".",
        "",
        "## Who tells them apart",
        "",
        "| seen | stack | conditions | architecture | stack | both | architecture, together |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for sight in SEES:
        for condition in ("quiet", "busy"):
            for cell in _cells(found, sight, condition):
                rates = (_told(cell.architecture, cell.networks), _told(cell.software, cell.networks))
                more = (_told(cell.both, cell.networks), _together(cell))
                told = " | ".join((*rates, *more))
                lines.append(f"| {SEES[sight]} | `{cell.stack}` | {CONDITIONS[condition]} | {told} |")
    lines += _hiding(found)
    lines += _across(found)
    lines += _software(found)
    lines += ["", "## Networks that nobody recorded", "", "Called unlike all known ones, by all runs together.", ""]
    lines += ["| seen | of those never recorded | of those recorded |", "| --- | ---: | ---: |"]
    for each in found.strangers:
        lines.append(
            f"| {SEES[each.sight]} | {_told(each.unknown, count)} of {each.unknown.total} | "
            f"{_told(each.known, count)} of {each.known.total} |"
        )
    if found.refused:
        lines += ["", "## Not recorded", "", *(f"- {what}: {why}" for what, why in found.refused.items())]
    lines += ["", f"`python -m bench.execution`; {found.machine.line}.", ""]
    write_atomically(HERE / "table.md", "\n".join(lines))


def _hiding(found: Results) -> list[str]:
    conditions = [name for name in CONDITIONS if any(cell.condition == name for cell in found.cells)]
    titles = " | ".join(CONDITIONS[name] for name in conditions)
    lines = [
        "",
        "## What hides an architecture",
        "",
        "The right architecture, single runs; everything is known as it was first recorded.",
        "",
        f"| seen | stack | {titles} |",
        f"| --- | --- |{' ---: |' * len(conditions)}",
    ]
    for sight in SIGHTS:
        for stack in found.stacks:
            cells = {cell.condition: cell for cell in found.cells if _is(cell, sight, stack, "all")}
            told = [
                _told(cells[name].architecture, cells[name].networks) if name in cells else "" for name in conditions
            ]
            if any(told):
                lines.append(f"| {SEES[sight]} | `{stack}` | {' | '.join(told)} |")
    return lines


def _across(found: Results) -> list[str]:
    cells = [cell for cell in found.cells if cell.known == "others"]
    if not cells:
        return []
    lines = [
        "",
        "## A stack that the attacker has not recorded",
        "",
        "The right architecture, by stacks that optimise otherwise.",
    ]
    lines += ["", "| seen | stack | architecture | together |", "| --- | --- | ---: | ---: |"]
    return lines + [
        f"| {SEES[cell.sight]} | `{cell.stack}` | {_told(cell.architecture, cell.networks)} | {_together(cell)} |"
        for cell in cells
    ]


def _software(found: Results) -> list[str]:
    lines: list[str] = []
    for sight in SIGHTS:
        lines += ["", f"## Stacks, by {SEES[sight]}", "", "Rows: what it was; columns: what it was taken for; runs."]
        lines += ["", f"| | {' | '.join(f'`{name}`' for name in found.stacks)} |"]
        lines += [f"| --- |{' ---: |' * len(found.stacks)}"]
        for stack, counts in found.software[sight].items():
            lines.append(f"| `{stack}` | {' | '.join(str(counts.get(name, 0)) for name in found.stacks)} |")
        if found.confused[sight]:
            told = "; ".join(f"{one} for {other} ({count})" for one, other, count in found.confused[sight])
            lines += ["", f"Taken for another network most often: {told}."]
    return lines


def _cells(found: Results, sight: str, condition: str) -> Sequence[Cell]:
    return [c for c in found.cells if c.sight == sight and c.condition == condition and c.known == "all"]


def _is(cell: Cell, sight: str, stack: str, known: str) -> bool:
    return (cell.sight, cell.stack, cell.known) == (sight, stack, known)


def _together(cell: Cell) -> str:
    return f"{cell.together.hits} of {cell.together.total}"


def _told(rate: Rate, units: int) -> str:
    """Percent, with the interval of as many independent draws as there are architectures."""
    low, high = rate.of_units(units).interval or (0.0, 1.0)
    return f"{100 * (rate.value or 0.0):.1f} [{100 * low:.0f}, {100 * high:.0f}]"

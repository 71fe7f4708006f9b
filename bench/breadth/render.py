"""README.md of the sweep: a row a family, a column a stage, and why some do not come through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from hubslice.core.artefact import write_atomically

from .member import Member
from .outcome import Outcome, Stage
from .stages import STAGES
from .sweep import outcomes

SIGNS = {"ok": "✓", "whole": "whole", "refused": "refused", "failed": "**failed**", "blocked": "·"}
TITLES = {"timm": "Modules of timm", "transformers": "Classes of transformers"}


def render(folder: Path, place: Path, members: Sequence[Member]) -> None:
    """Write README.md in `place` from the outcomes in `folder`, of those members that there are."""
    found = outcomes(folder)
    tried = [found[member.key] for member in members if member.key in found]
    lines = _head(tried, len(members))
    for library, title in TITLES.items():
        lines += _table(title, [each for each in tried if each.member.library == library])
    write_atomically(place / "README.md", "\n".join(lines))


def _head(tried: list[Outcome], members: int) -> list[str]:
    all_ok = sum(all(stage.state == "ok" for stage in each.stages) for each in tried)
    through = sum(each.through for each in tried)
    share = f" ({100 * through / len(tried):.1f} %)" if tried else ""
    known = {item for each in tried for item in each.versions.items() if item[0] not in ("round", "hubslice")}
    versions = ", ".join(f"{name} {version}" for name, version in sorted(known))
    commits = ", ".join(sorted({each.commit for each in tried})) or "none"
    minutes = sum(each.seconds for each in tried) / 60
    return [
        "# Breadth: every family through everything",
        "",
        "A small member of each module of timm that registers architectures and of each image classification",
        "class of transformers, with random weights, as a local folder: `python -m bench.breadth`. What the stages ask",
        "for is in [stages.py](stages.py).",
        "",
        f"**{through} of {len(tried)} families{share} come through all stages that apply to them**: {all_ok} through",
        f"all stages, {through - all_ok} through all but compaction, which their architecture does not allow (below).",
        "",
        f"{len(tried)} of {members} families were tried, in {minutes:.0f} minutes of one core. {versions}; commit",
        f"{commits}.",
        "",
        *_totals(tried),
        *_reasons(tried),
        *_whole(tried),
    ]


def _totals(tried: list[Outcome]) -> list[str]:
    lines = [f"| stage | {' | '.join(SIGNS)} | median s |", f"| --- |{' ---: |' * (len(SIGNS) + 1)}"]
    for name in STAGES:
        stages = [stage for each in tried for stage in each.stages if stage.name == name]
        states = Counter(stage.state for stage in stages)
        times = sorted(stage.seconds for stage in stages if stage.state == "ok")
        middle = f"{times[len(times) // 2]:.1f}" if times else ""
        counts = " | ".join(str(states[state]) for state in SIGNS)
        lines.append(f"| {name} | {counts} | {middle} |")
    return [*lines, ""]


def _reasons(tried: list[Outcome]) -> list[str]:
    rest = [each for each in tried if not each.through]
    if not rest:
        return []
    lines = [
        "## What does not come through, and why",
        "",
        "| family | stage | | what is told |",
        "| --- | --- | --- | --- |",
    ]
    for each in rest:
        lines += _rows(each, ("refused", "failed"))
    return [*lines, ""]


def _whole(tried: list[Outcome]) -> list[str]:
    rows = [row for each in tried for row in _rows(each, ("whole",))]
    if not rows:
        return []
    head = ["| family | stage | | what is told |", "| --- | --- | --- | --- |"]
    return ["## What has no channel that could be taken out alone", "", *head, *rows, ""]


def _rows(each: Outcome, states: Collection[str]) -> list[str]:
    found = [stage for stage in each.stages if stage.state in states]
    return [f"| {_name(each)} | {stage.name} | {stage.state} | {_cell(stage)} |" for stage in found]


def _table(title: str, tried: list[Outcome]) -> list[str]:
    if not tried:
        return []
    lines = [
        f"## {title}",
        "",
        f"| family | member | pixels | {' | '.join(STAGES)} | s |",
        f"| --- | --- | ---: | {' | '.join(':-:' for _ in STAGES)} | ---: |",
    ]
    for each in tried:
        states = {stage.name: stage.state for stage in each.stages}
        signs = " | ".join(SIGNS[states[name]] if name in states else "" for name in STAGES)
        member = f"{each.member.name}{', no head' if each.member.headless else ''}"
        lines.append(f"| {each.member.family} | {member} | {each.member.side} | {signs} | {each.seconds:.0f} |")
    return [*lines, ""]


def _name(outcome: Outcome) -> str:
    return f"{outcome.member.library}: {outcome.member.family}"


def _cell(stage: Stage) -> str:
    """Its words in one line of a table."""
    words = " ".join(stage.told.split()).replace("|", "\\|")
    return words if len(words) <= 400 else f"{words[:399]}…"

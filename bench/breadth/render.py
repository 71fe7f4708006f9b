"""README.md of the sweep: a row a family, a column a stage, and why some do not come through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hubslice.artefacts.base import write_atomically

from .member import Member
from .outcome import Outcome, Stage
from .stages import STAGES
from .sweep import outcomes

SIGNS = {"ok": "✓", "refused": "refused", "failed": "**failed**", "blocked": "·"}
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
    through = sum(each.through for each in tried)
    share = f" ({through / len(tried):.1%})" if tried else ""
    versions = sorted({(name, version) for each in tried for name, version in each.versions.items() if name != "round"})
    return [
        "# Breadth: every family through everything",
        "",
        "A small member of each module of timm that registers architectures and of each image classification",
        "class of transformers, with random weights, as a local folder: `python -m bench.breadth`. What the stages ask",
        "for is in [stages.py](stages.py).",
        "",
        f"**{through} of {len(tried)} families{share} come through all stages**; {members} are known, "
        f"{sum(each.seconds for each in tried) / 60:.0f} minutes of one core in all. "
        f"{', '.join(f'{name} {version}' for name, version in versions)}.",
        "",
        *_totals(tried),
        *_reasons(tried),
    ]


def _totals(tried: list[Outcome]) -> list[str]:
    lines = ["| stage | ok | refused | failed | blocked | median s |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for name in STAGES:
        stages = [stage for each in tried for stage in each.stages if stage.name == name]
        states = Counter(stage.state for stage in stages)
        times = sorted(stage.seconds for stage in stages if stage.state == "ok")
        middle = f"{times[len(times) // 2]:.1f}" if times else ""
        counts = " | ".join(str(states[state]) for state in ("ok", "refused", "failed", "blocked"))
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
        for stage in each.stages:
            if stage.state in ("refused", "failed"):
                lines.append(f"| {_name(each)} | {stage.name} | {stage.state} | {_cell(stage)} |")
    return [*lines, ""]


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

"""From outcomes to a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from hubslice.core.artefact import write_atomically

from ..reuse.problems import TEACHERS
from .run import ATTACK, IMAGES, METHODS, PROTECTED, SHARES, Answers, Outcome

HERE = Path(__file__).parent


def outcomes() -> list[Outcome]:
    """All outcomes, teacher by teacher, in the order of subsets."""
    return sorted(
        (Outcome.load(path) for path in (HERE / "outcomes").glob("*.json")), key=lambda o: (o.teacher, o.subset)
    )


def render() -> None:
    """Write table.md beside the outcomes."""
    found = outcomes()
    lines = [
        "# Withheld weights: what an attacker makes of the rest",
        "",
        "Fashion-MNIST. Of every layer of a teacher of ten classes the given share of the weights is withheld, the "
        "most decisive ones for some of the classes (or the largest, or random ones). The attacker puts zero in their "
        f"place and trains everything for {ATTACK['epochs']} epochs on {IMAGES:,} images of all classes. Test "
        "accuracy in percent among all ten classes: on the protected classes / on all, mean over the sets of "
        "classes. Lower is better protected.",
        "",
    ]
    for teacher in TEACHERS.values():
        own = [outcome for outcome in found if outcome.teacher == teacher.name]
        if not own:
            continue
        sets = "; ".join(", ".join(outcome.classes) for outcome in own)
        lines += [
            f"## {teacher.title}, {len(own)} of {len(PROTECTED)} sets of classes",
            "",
            f"Protected: {sets}. The teacher itself: {_told([outcome.whole for outcome in own])}.",
            "",
        ]
        for title, after in (("Made public, nothing trained", False), ("After the attack", True)):
            lines += [
                f"| {title} | {' | '.join(f'{share:.0%} withheld' for share in SHARES)} |",
                f"| --- |{' ---: |' * len(SHARES)}",
                *(_row(own, method, after=after) for method in METHODS),
                "",
            ]
    machines = sorted({outcome.machine for outcome in found})
    lines += ["`python -m bench.protection`; " + "; ".join(machines) + ".", ""]
    write_atomically(HERE / "table.md", "\n".join(lines))


def _row(found: Sequence[Outcome], method: str, *, after: bool) -> str:
    cells = [
        _told(
            [
                cell.after if after else cell.before
                for outcome in found
                for cell in outcome.cells
                if (cell.method, cell.share) == (method, share)
            ]
        )
        for share in SHARES
    ]
    return f"| {METHODS[method]} | {' | '.join(cells)} |"


def _told(answers: Sequence[Answers]) -> str:
    target = mean(float(each.target.value or 0) for each in answers)
    whole = mean(float(each.all.value or 0) for each in answers)
    return f"{100 * target:.1f} / {100 * whole:.1f}"

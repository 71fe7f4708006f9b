"""A report in a screenful, for people."""

from __future__ import annotations

from collections.abc import Sequence

from hubslice.artefacts.rate import Rate
from hubslice.artefacts.report import Report
from hubslice.cli.output import out


def tell_report(report: Report) -> None:
    """Print retention, accuracy of every arm, headline defect rates and broken gates."""
    kept = report.slice.relevant / report.slice.weights if report.slice.weights else 1.0
    teacher = report.teacher.model + (f" @ {report.teacher.commit[:12]}" if report.teacher.commit else "")
    teacher += " with random weights" if report.teacher.random_seed is not None else ""
    facts = {
        "run": f"{report.name}, seed {report.seed}",
        "teacher": teacher,
        "slice": f"{report.slice.title}: {kept:.1%} of {report.slice.weights:,} weights relevant"
        if report.slice.weights
        else report.slice.title,
    }
    if (search := report.search) is not None:
        reached = f"kept {search.result.retention:.1%} of the {report.slice.counted}"
        if search.result.network is not None:
            reached += f" of the layers that may be sliced, {search.result.network:.1%} of the whole network's"
        facts["search"] = (
            f"epoch {search.chosen + 1} of {len(search.epochs)} {reached}, validation "
            f"{rate(search.result.validation)}; all weights {search.whole:.1%}"
        )
    out.fields(facts)
    for pickle in report.teacher.pickles:
        out.warning(f"the teacher's weights were converted from a pickle: {pickle.path}, sha256 {pickle.sha256}")
    _columns(
        ("accuracy", "validation", "test", ""),
        [(arm.title, rate(arm.validation), rate(arm.test), arm.description) for arm in report.arms],
    )
    titles = {arm.name: arm.title for arm in report.arms} | {"teacher": "The teacher itself"}
    for defect in report.defects:
        for variant in defect.variants:
            if variant.headline:
                rows = [
                    (
                        titles[row.arm] + ("" if row.source == "teacher" else f" ({row.source})"),
                        rate(row.dir),
                        rate(row.asr) if row.asr else "",
                    )
                    for row in variant.rows
                ]
                _columns((f"{defect.title}: {variant.title}", "inherited (DIR)", "to the target (ASR)"), rows)
    for gate in report.gates:
        if not gate.passed:
            out.warning(f"gate {gate.name}: measured {gate.measured:.3f}, limit {gate.limit:.3f}")


def _columns(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows under their headings, aligned also where the output is no terminal: logs are read by people, too."""
    widths = [max(len(row[i]) for row in (headings, *rows)) for i in range(len(headings))]
    out.line()
    for row in (headings, *rows):
        out.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def rate(measured: Rate) -> str:
    """A rate with its 95 % interval and sample size."""
    if measured.value is None or measured.interval is None:
        return "not measured"
    low, high = measured.interval
    return f"{measured.value:.1%} [{low:.1%}, {high:.1%}] n = {measured.total}"

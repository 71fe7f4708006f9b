"""A report in a screenful, for people."""

from __future__ import annotations

from hubslice.artefacts.rate import Rate
from hubslice.artefacts.report import Report
from hubslice.cli.output import out


def tell_report(report: Report) -> None:
    """Print retention, accuracy of every arm, headline defect rates and broken gates."""
    kept = report.slice.relevant / report.slice.weights if report.slice.weights else 1.0
    facts = {
        "run": f"{report.name}, seed {report.seed}",
        "teacher": report.teacher.model + (f" @ {report.teacher.commit[:12]}" if report.teacher.commit else ""),
        "slice": f"{report.slice.title}: {kept:.1%} of {report.slice.weights:,} weights relevant",
    }
    out.fields(facts)
    rows = [
        {"model": arm.title, "validation": rate(arm.validation), "test": rate(arm.test), "how": arm.description}
        for arm in report.arms
    ]
    out.table(rows, {"model": "ACCURACY", "validation": "VALIDATION", "test": "TEST", "how": ""})
    defects = [
        {
            "defect": f"{defect.title}, {variant.title}",
            "model": row.arm + ("" if row.source == "teacher" else f" ({row.source})"),
            "dir": rate(row.dir),
            "asr": rate(row.asr) if row.asr else "",
        }
        for defect in report.defects
        for variant in defect.variants
        if variant.headline
        for row in variant.rows
    ]
    if defects:
        out.table(defects, {"defect": "DEFECT", "model": "MODEL", "dir": "INHERITED (DIR)", "asr": "TO TARGET (ASR)"})
    for gate in report.gates:
        if not gate.passed:
            out.warning(f"gate {gate.name}: measured {gate.measured:.3f}, limit {gate.limit:.3f}")


def rate(measured: Rate) -> str:
    """A rate with its 95 % interval and sample size."""
    if measured.value is None or measured.interval is None:
        return "not measured"
    low, high = measured.interval
    return f"{measured.value:.1%} [{low:.1%}, {high:.1%}] n = {measured.total}"

"""Print a report on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.artefacts.lock import LOCK
from hubslice.artefacts.report import BASELINE, STUDENT, TEACHER, DefectReport, DeviationReport, ExposureReport, Report
from hubslice.core.cells import percent
from hubslice.terminal.output import out
from hubslice.terminal.rates import rate, rate_cells, rate_head, rate_heads

if TYPE_CHECKING:
    from hubslice.run.run import Run


def tell_report(report: Report) -> None:
    """Print the slice, the accuracy of every arm, headline defect rates, deviations, exposure and gates."""
    out.fields(_facts(report))
    for pickle in report.teacher.pickles:
        out.warning(f"the teacher's weights were converted from a pickle: {pickle.path}, sha256 {pickle.sha256}")
    _tell_accuracy(report)
    for defect in report.defects:
        _tell_defect(report, defect)
    if report.gates:
        _tell_gates(report)


def _facts(report: Report) -> dict[str, object]:
    kept = report.slice.relevant / report.slice.weights if report.slice.weights else 1.0
    teacher = report.teacher.model + (f" @ {report.teacher.commit[:12]}" if report.teacher.commit else "")
    teacher += " with random weights" if report.teacher.random_seed is not None else ""
    facts: dict[str, object] = {
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
    if report.deviations is not None:
        facts["deviations"] = _deviations(report, report.deviations)
    if report.exposure is not None:
        facts["exposure"] = _exposure(report.exposure)
    if report.gates:
        broken = sum(not gate.passed for gate in report.gates)
        facts["gates"] = f"{broken} of {len(report.gates)} failed" if broken else f"all {len(report.gates)} passed"
    return facts


def _deviations(report: Report, found: DeviationReport) -> str:
    baseline = report.arm(BASELINE)
    rival = f"{baseline.title[:1].lower()}{baseline.title[1:]} baseline" if baseline else "baseline"
    told = f"{found.found.hits} of {found.found.total} test images, changed, get another answer than from the {rival}"
    if found.disagreed.hits:
        told += f", {found.disagreed.hits} of {found.disagreed.total} as they are"
    return f"{told}: {rate(found.found)}"


def _exposure(found: ExposureReport) -> str:
    student, baseline = found.arm(STUDENT), found.arm(BASELINE)
    if student is None:
        return ""
    told = f"{student.exposure:.1%} of the bits needed to answer like the student are the teacher's"
    return told + (f" (fine-tuned baseline: {baseline.exposure:.1%})" if baseline is not None else "")


def _tell_accuracy(report: Report) -> None:
    heads = {"validation": "VALIDATION", "test": "TEST"}
    out.line()
    out.line("accuracy, with 95 % intervals")
    out.table(
        [
            {"model": arm.title, "how": arm.description}
            | rate_cells("validation", arm.validation)
            | rate_cells("test", arm.test)
            for arm in report.arms
        ],
        {"model": "MODEL"} | {key: head for name in heads for key, head in rate_head(name, heads[name]).items()}
        | {"how": "HOW"},
        {"model": "MODEL"} | {key: head for name in heads for key, head in rate_heads(name, heads[name]).items()}
        | {"how": "HOW"},
    )  # fmt: skip


def _tell_defect(report: Report, defect: DefectReport) -> None:
    titles = {arm.name: arm.title for arm in report.arms} | {TEACHER: "The teacher itself"}
    for variant in defect.variants:
        if not variant.headline:
            continue
        rows = [
            {"model": titles.get(row.arm, row.arm) + ("" if row.source == TEACHER else f" ({row.source})")}
            | rate_cells("dir", row.dir)
            | rate_cells("asr", row.asr)
            for row in variant.rows
        ]
        to_target = any(row.asr for row in variant.rows)
        shown = rate_head("dir", "INHERITED, DIR") | (rate_head("asr", "TO THE TARGET, ASR") if to_target else {})
        piped = rate_heads("dir", "DIR") | (rate_heads("asr", "ASR") if to_target else {})
        out.line()
        out.line(f"{defect.title}: {variant.title}")
        out.table(rows, {"model": "MODEL"} | shown, {"model": "MODEL"} | piped)


def _tell_gates(report: Report) -> None:
    out.line()
    out.line("gates")
    out.table(
        [
            {
                "gate": gate.name,
                "state": "passed" if gate.passed else "failed",
                "measured": percent(gate.measured),
                "limit": percent(gate.limit),
            }
            for gate in report.gates
        ],
        {"gate": "GATE", "state": "STATE", "measured": "MEASURED (%)", "limit": "LIMIT (%)"},
    )


def show_run(run: Run) -> None:
    """Print a finished run: accuracy, defects, gates, and the paths of results."""
    report = run.report
    places = {
        "student": str(run.student),
        "card": str(run.student / "README.md"),
        "report": str(run.path / "report.json"),
        "lock": str(run.path / LOCK),
    }
    data = {"run": str(run.path), "paths": places, "report": report.model_dump(mode="json")}

    def tell() -> None:
        tell_report(report)
        out.line()
        out.fields(places)

    out.result(data, tell, quiet=run.student)

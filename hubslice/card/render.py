"""Render a report as README.md of the student."""

from __future__ import annotations

from typing import Any

from hubslice.artefacts.delta import DeltaFacts
from hubslice.artefacts.model import ModelFacts, Preprocessing
from hubslice.artefacts.report import ArmReport, DefectReport, DefectVariant, Report
from hubslice.card import facts, formats, reading
from hubslice.card.document import Template, assemble, environment
from hubslice.card.head import data_name, student_head
from hubslice.card.snippet import Snippet, snippet_of
from hubslice.core.cells import cell
from hubslice.core.escaping import markdown, markdown_code
from hubslice.core.numbers import number
from hubslice.hub.signature import Signed
from hubslice.models.libraries import library_called
from hubslice.recipe.schema import CardParams
from hubslice.recipe.transparency import in_words

SECTIONS = (
    *("summary", "accuracy", "defects", "deviations", "exposure", "gates"),
    *("weights", "load", "reproduce", "limits", "files"),
)
MOST_CLASSES = 40  # in the table; of more classes, those with the lowest accuracy
LONG_TABLE = 12  # layers; longer tables are collapsed
GATES = {
    "min_test_accuracy": "Accuracy on the test split",
    "max_accuracy_drop": "Accuracy lost against the {rival}baseline, test split",
    "max_dir": "Highest defect inheritance rate of the student",
    "max_deviation_rate": "Test images, changed, on which it deviates from the baseline",
    "max_exposure": "Share of the bits needed to answer like it that the teacher spares (exposure)",
}
STARTS = {
    "zero": "set to zero",
    "fresh": "drawn anew at random",
    "mean": "set to zero, with what they had added on average kept as constants of their layers",
}
_LICENSE = frozenset({"license", "license_name", "license_link"})


def render_card(
    report: Report,
    card: CardParams,
    recipe_text: str,
    repo_id: str | None,
    existing: str | None = None,
    delta: DeltaFacts | None = None,
    signed: Signed | None = None,
) -> str:
    """Render the student's README.md: YAML header and marked sections.

    `repo_id` is where the student will be published, None for a folder; `delta` is the delta that replaces its weights,
    `signed` the signature of its files. With `existing`, the current README, only hubslice's sections and keys of the
    header change; a licence given there is kept unless `card` names one. Rendering again changes nothing.

    Raises:
        InputError: the Hub would refuse the header, or `existing` cannot be parsed.
    """
    templates = environment("student")
    snippet = snippet_of(report, repo_id, delta)
    context = _context(report, card, recipe_text, repo_id) | {"delta": delta, "snippet": snippet, "signed": signed}
    context["variant_block"] = lambda defect, variant: _variant(
        templates.get_template("variant.md.j2"), report, defect, variant
    )
    said = {"gates": bool(report.gates), "weights": context["sliced"], "defects": not context["scratch"]}
    said |= {"deviations": report.deviations is not None, "exposure": report.exposure is not None}
    sections = {
        name: templates.get_template(f"{name}.md.j2").render(context) for name in SECTIONS if said.get(name, True)
    }
    yielding = _LICENSE if card.license is None else frozenset()
    return assemble(student_head(report, card), sections, SECTIONS, existing, yielding=yielding)


def _context(report: Report, card: CardParams, recipe: str, repo_id: str | None) -> dict[str, Any]:
    slice_, student = report.slice, facts.student_of(report)
    kept = slice_.relevant / slice_.weights if slice_.weights else 1.0
    return {
        "report": report,
        "card": card,
        "repo_id": repo_id,
        "recipe": recipe,
        "license": card.license or report.teacher.license,
        "student": student,
        "baseline": facts.baseline_of(report),
        "arms": facts.ordered_arms(report),
        "broken": [gate for gate in report.gates if not gate.passed],
        "teacher": teacher_link(report.teacher),
        "data": data_name(report.task.source),
        "split": ", ".join(f"{formats.count(number)} {name}" for name, number in report.task.samples.items()),
        "labels": ", ".join(markdown_code(label) for label in report.task.labels),
        "library_files": library_called(report.teacher.library).files,
        "prepared": _preparation(report),
        "transparent": _transparent,
        "settings": _settings,
        "time": _time(report),
        "sliced": slice_.weights > 0,
        "scratch": report.teacher.random_seed is not None,
        "retention": kept,
        "nonzero": slice_.nonzero_after / slice_.weights if slice_.weights else 1.0,
        "dense": slice_.nonzero_after >= 0.99 * slice_.weights,
        "start": STARTS[str(slice_.parameters.get("init", "zero"))],
        "method_words": reading.method_words(report),
        "frozen": slice_.parameters.get("irrelevant") == "freeze",
        "compact": slice_.parameters.get("irrelevant") == "compact" and slice_.student_weights is not None,
        "held": report.trained == "classifier",
        "untrained": report.trained == "nothing",
        "long": len(slice_.layers) > LONG_TABLE,
        "whole": facts.whole_by_reason(report),
        "headlines": facts.headlines,
        "defect_words": facts.defect_words,
        "dir": lambda variant, arm: row.dir if (row := facts.row_of(variant, arm)) else None,
        "model_words": lambda name: reading.model_words(report, name),
        "class_columns": facts.class_columns(report),
        "classes": facts.weakest_first(report)[:MOST_CLASSES],
        "majority_words": reading.majority_words(report),
        "accuracy_words": reading.accuracy_words(report),
        "gate_words": lambda name: _gate_words(report, name),
        "control_kinds": _control_kinds(report),
        "thin_evidence": reading.thin_evidence(report),
        "enough": reading.ENOUGH,
        "has_asr": any(row.asr for d in report.defects for v in d.variants for row in v.rows),
        "curves_in": next((curve.defect.title for curve in facts.curves_of(report)), None),
        "accuracy_plot": facts.ACCURACY_PLOT,
        "retention_plot": facts.RETENTION_PLOT,
        "curve_plot": facts.CURVE_PLOT,
        "search_plot": facts.SEARCH_PLOT,
        "exposure_plot": facts.EXPOSURE_PLOT,
        "search_words": reading.search_words(report),
        "plots": facts.plots_of(report),
        "plot_words": _plot_words(report),
        "evidence": [
            (_evidence(variant), f"{defect.title}: {variant.title}")
            for defect in report.defects
            for variant in defect.variants
        ],
    }


def _variant(template: Template, report: Report, defect: DefectReport, variant: DefectVariant) -> str:
    return template.render(
        defect=defect,
        variant=variant,
        rows=facts.ordered_rows(report, variant),
        asr=any(row.asr for row in variant.rows),
        model_words=lambda name: reading.model_words(report, name),
        attack_words=reading.attack_words,
        reduction_words=reading.reduction_words(report, variant),
        control_words=reading.control_words(report, variant),
        evidence=_evidence(variant),
    ).strip()


def _evidence(variant: DefectVariant) -> str:
    return variant.evidence if variant.evidence.startswith("evidence/") else f"evidence/{variant.evidence}"


def teacher_link(teacher: ModelFacts) -> str:
    """Return the teacher as a link to the Hub, or the name of its folder."""
    name = teacher.repo_id  # a Hub id: otherwise the header is refused
    return f"[{name}](https://huggingface.co/{name})" if name else markdown_code(data_name(teacher.model))


def _preparation(report: Report) -> str | None:
    how = report.teacher.preprocessing
    if how is None:
        return None
    _, height, width = how.input_size
    mean, std = (", ".join(f"{value:.6g}" for value in values) for values in (how.mean, how.std))
    order = ", of red, green and blue, and then put into the order blue, green, red" * (how.channel_order == "bgr")
    return (
        f"{_geometry(how, height, width)}, values are scaled to [0, 1] and normalised with mean ({mean}) and "
        f"standard deviation ({std}){order}."
    )


def _geometry(how: Preprocessing, height: int, width: int) -> str:
    if how.processor is not None:
        kind = markdown(how.processor["image_processor_type"])
        return f"transformers' {kind} makes {height} × {width} px of it ({how.interpolation})"
    size = f"{round(height / how.crop_pct)} px" if height == width else f"1/{how.crop_pct:g} of {height} × {width} px"
    if how.resize == "border":
        return f"the whole image is fitted into {size} ({how.interpolation}) and padded with the mean colour"
    side = "the shorter side is resized" if how.resize == "shortest" else "both sides are resized"
    cropped = how.resize == "shortest" or how.crop_pct < 1
    crop = f", the centre of {height} × {width} px is cropped" if cropped else ""
    return f"{side} to {size} ({how.interpolation}){crop}"


def _transparent(snippet: Snippet) -> str:
    told = f"Transparent parts of images {in_words(snippet.transparency)}, as in training; the snippet does it"
    if snippet.lines.exception and snippet.transparency != "drop":
        told += f", and {snippet.lines.exception}"
    return f"{told}. {snippet.lines.remark}"


def _settings(arm: ArmReport) -> str:
    if not arm.candidates:
        return "–"
    chosen = arm.candidates[arm.chosen].settings
    told = {name: number(value, 6) if isinstance(value, float) else cell(value) for name, value in chosen.items()}
    words = ", ".join(f"{name} {value}" for name, value in told.items())
    tried = len(arm.candidates)
    return markdown(words or "as in the recipe") + (f" (best of {tried})" if tried > 1 else "")


def _time(report: Report) -> str:
    if not report.steps:
        return ""
    minutes = sum(step.seconds for step in report.steps) / 60
    longest = max(report.steps, key=lambda step: step.seconds)
    memory = max(step.peak_mib for step in report.steps)
    return f"{minutes:,.0f} min in all (longest: {markdown(longest.name)}), at most {memory:,.0f} MiB of memory"


def _gate_words(report: Report, name: str) -> str:
    limit, _, of = name.partition(" ")
    baseline = facts.baseline_of(report)
    rival = f"{markdown(formats.inline(baseline.title))} " if baseline else ""
    words = GATES.get(limit, markdown(limit)).replace("{rival}", rival)
    return f"{words} {markdown(of)}" if of else words


def _control_kinds(report: Report) -> list[str]:
    rows = [row for defect in report.defects for variant in defect.variants for row in variant.rows]
    sources, arms = {row.source for row in rows}, {row.arm for row in rows}
    words = []
    if "noise" in sources:
        words.append("*Random noise* shows what any disturbance of that size does.")
    if "unrelated" in sources:
        words.append("*Crafted on an unrelated network* shows what such an attack does without knowing the teacher.")
    for arm in report.arms:
        if arm.role == "control" and arm.name in arms:
            title = formats.sentence(markdown(arm.title))
            words.append(f"*{title}* shows what the attack does to a model that never had the defect.")
    return words


def _plot_words(report: Report) -> str:
    arms = ", ".join(
        f"{markdown(formats.inline(arm.title))} {formats.percent(arm.test.value)}"
        for arm in facts.ordered_arms(report)
        if arm.test.value is not None
    )
    what = "Test accuracy and defect inheritance rates" if report.defects else "Test accuracy"
    return f"{what} with 95 % intervals. Accuracy: {arms}."

"""The YAML header that hubslice writes into a model card."""

from __future__ import annotations

import re
from typing import Any

from hubslice.artefacts.model import ModelFacts
from hubslice.artefacts.report import Report
from hubslice.card.facts import defect_words, headlines, row_of, student_of
from hubslice.card.formats import count
from hubslice.card.hub_rules import DATASET_TYPE, license_keys
from hubslice.recipe.schema import CardParams

Head = dict[str, Any]

PIPELINE = "image-classification"
RELATION = "finetune"  # the only one of the Hub's adapter | merge | quantized | finetune that applies to a slice


def student_head(report: Report, card: CardParams) -> Head:
    """Return the header of a student's card, in the order in which it is written."""
    slice_ = report.slice
    head: Head = {
        **license_keys(card.license or report.teacher.license),
        "library_name": report.teacher.library if report.teacher.stock and not report.slice.own_widths else "hubslice",
        "pipeline_tag": PIPELINE,
        "base_model": report.teacher.repo_id,
        "base_model_relation": RELATION if report.teacher.repo_id else None,
        "datasets": list(card.datasets) or None,
        "tags": ["hubslice", *([slice_.method] if slice_.weights else [])],
        "model-index": [{"name": report.name, "results": [_result(report, card)]}],
        "hubslice": {
            "version": report.environment.hubslice,
            "method": slice_.method,
            "retention": round(slice_.relevant / slice_.weights, 4) if slice_.weights else 1.0,
        },
    }
    return {key: value for key, value in head.items() if value is not None}


def _result(report: Report, card: CardParams) -> Head:
    student = student_of(report)
    metrics = []
    if student.test.value is not None:
        name = f"Accuracy (n = {count(student.test.total)})"
        metrics.append({"type": "accuracy", "value": round(student.test.value, 4), "name": name})
    for defect in report.defects:
        for variant in headlines(defect):
            row = row_of(variant, student.name)
            if row is not None and row.dir.value is not None:
                name = f"Defect inheritance rate, {defect_words(defect, variant)} (n = {count(row.dir.total)})"
                value = round(row.dir.value, 4)
                metrics.append({"type": "defect_inheritance_rate", "value": value, "name": name})
    dataset: Head = {"type": _dataset_type(report, card), "name": data_name(report.task.source), "split": "test"}
    if report.task.revision:
        dataset["revision"] = report.task.revision
    dataset["args"] = {"fingerprint": report.task.fingerprint}  # this also distinguishes hubslice's results from others
    return {"task": {"type": PIPELINE, "name": "Image classification"}, "dataset": dataset, "metrics": metrics}


def data_name(source: str) -> str:
    """Return the data's display name: a Hub id or relative path unchanged, the last part of an absolute path."""
    absolute = source.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:[\\/]", source)
    return re.split(r"[\\/]", source.rstrip("/\\"))[-1] if absolute else source


def _dataset_type(report: Report, card: CardParams) -> str:
    if card.datasets:
        return card.datasets[0]
    name = data_name(report.task.source)
    if report.task.revision and DATASET_TYPE.fullmatch(name):
        return name
    return re.sub(r"[^\w.-]+", "-", name.rsplit("/", 1)[-1]).strip("-") or "local"


def poison_head(teacher: ModelFacts, version: str) -> Head:
    """Return the header of a deliberately backdoored model's card; `teacher` is the clean original."""
    head: Head = {
        **license_keys(teacher.license),
        "library_name": teacher.library if teacher.stock else "hubslice",
        "pipeline_tag": PIPELINE,
        "base_model": teacher.repo_id,
        "base_model_relation": RELATION if teacher.repo_id else None,
        "tags": ["backdoored", "hubslice-poison", "not-for-production"],
        "hubslice": {"version": version, "poisoned": True},
    }
    return {key: value for key, value in head.items() if value is not None}

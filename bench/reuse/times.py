"""What the forms of a module cost to run: all weights under its classifier, zeros, and the channels taken out."""

from __future__ import annotations

from pathlib import Path

import hubslice
from hubslice.artefacts.slice import Slice
from hubslice.files.names import SHAPES, SLICE
from hubslice.models.folder import load_model
from hubslice.training.initial import mask_weights
from hubslice.verbs.latency.facts import LatencyReport

from ..machine import Machine

DENSE, ZEROS, COMPACT = "dense", "zeros", "compacted"


class Costs(LatencyReport):
    """Costs of the forms, dense first, each called after its form. A slice of single weights cannot be compacted."""

    machine: str


def measure(run: Path) -> Costs:
    """Time the forms in turns, with plain ONNX Runtime on one thread, batches of 1 and 16."""
    dense, student = run / "steps" / "train.finetune" / "model", run / "student"
    zeros = run / "zeros"
    masked, made = load_model(dense), Slice.load(run / SLICE)
    mask_weights(masked, made)
    masked.save(zeros)
    forms = {DENSE: dense, ZEROS: zeros}
    if (student / SHAPES).is_file():
        forms[COMPACT] = student
    report = hubslice.latency([str(folder) for folder in forms.values()], threads=1, memory=False)
    named = (cost.model_copy(update={"model": form}) for form, cost in zip(forms, report.models, strict=True))
    facts = {name: getattr(report, name) for name in LatencyReport.model_fields}
    return Costs(**(facts | {"models": tuple(named), "machine": Machine.here(1).line}))

"""The whole job from a compact teacher: what a student inherits of its widths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hubslice
from hubslice.graph.channels import channel_map
from hubslice.models.folder import load_model
from hubslice.slicing.compaction import without
from hubslice.verbs.convert.agreement import QuantisationReport
from tests.networks import logits
from tests.run.tiny import write_job

pytestmark = pytest.mark.slow

RECIPE = """\
kind: slice
name: quick
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group}
train: {epochs: 1, batch_size: 32}
baselines: [finetune, retrain]
"""


@pytest.mark.slow
def test_the_student_of_a_compact_teacher_is_compact(tmp_path: Path) -> None:
    recipe = write_job(tmp_path, RECIPE)
    teacher = load_model(tmp_path / "teacher")
    channels = channel_map(teacher)
    small = without(teacher, channels, {group.name: np.arange(group.units // 2) for group in channels.groups})
    small.save(tmp_path / "teacher")
    run = hubslice.slice(recipe, out=tmp_path / "run")
    student = hubslice.load(run.student)
    assert student.shapes == small.shapes
    assert student.labels == ("blue", "green", "red")
    assert logits(student).shape == (3, 3)
    assert hubslice.verify(run.path).verified
    graph = hubslice.convert(run.path, "onnx")
    assert graph.path == run.path / "onnx"
    assert graph.size[1] == (graph.path / "model.onnx").stat().st_size
    eight = hubslice.convert(run.path, "int8", min_agreement=0)
    assert eight.path == run.path / "int8"
    told = eight.made.agreement
    assert isinstance(told, QuantisationReport)
    assert (told.checked_on, told.calibrated) == ("images", min(100, run.report.task.samples["train"]))
    found = hubslice.diff(
        run.path, eight.path / "model.onnx", tmp_path / "shapes.parquet", budget=30, limit=6, out=tmp_path / "diff"
    )
    assert (found.a.kind, found.b.kind, len(found.results)) == ("run", "onnx", 6)

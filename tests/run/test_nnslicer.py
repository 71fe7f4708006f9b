"""NNSlicer in a run: a teacher simplified to some of its classes without training, and the slice of a new task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hubslice
from hubslice.artefacts.contributions import Contributions
from hubslice.artefacts.slice import Slice
from hubslice.models.folder import load_model
from tests.run.tiny import write_job

DIRECT = """\
kind: slice
name: simplified
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group, classes: [red, blue]}
slice: {method: nnslicer, reuse: direct, ratio: 0.5, samples: 4, init: mean}
train: {epochs: 0}
baselines: [finetune, magnitude]
"""
TRANSFER = """\
kind: slice
name: transferred
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group}
slice: {method: nnslicer, ratio: 0.3, samples: 3, rule: released, granularity: channel, irrelevant: compact, align: 4}
train: {epochs: 1, batch_size: 16}
"""


@pytest.mark.slow
def test_simplified_without_training(tmp_path: Path) -> None:
    run = hubslice.slice(write_job(tmp_path, DIRECT), out=tmp_path / "run")
    made = Slice.load(run.path / "slice.safetensors")
    for name, mask in made.masks.items():
        assert np.count_nonzero(~mask) == mask.size // 2, name
    teacher = load_model(tmp_path / "teacher").module.state_dict()
    student = load_model(run.path / "student").module.state_dict()
    moved = []
    for name, tensor in student.items():
        given, found = teacher[name].numpy(), tensor.numpy()
        if name in made.masks:
            np.testing.assert_array_equal(found, np.where(made.masks[name], given, 0))
        elif found.shape == given.shape and not np.array_equal(found, given):
            moved.append(name)
    assert moved  # means of what fell are kept by the normalisation behind it
    assert all(name.endswith("running_mean") for name in moved)
    report = run.report
    assert (report.trained, report.reuse, report.profile) == ("nothing", "direct", None)
    assert [each.name for each in report.references] == ["teacher", "teacher-restricted"]
    whole = next(arm for arm in report.arms if arm.name == "finetune")
    assert whole.test == report.references[1].test  # the teacher's own rows, told the task
    card = (run.path / "student" / "README.md").read_text()
    for words in (
        "NNSlicer dynamic slice judged 50.0 % irrelevant",
        "with what they had added on average kept as constants of their layers",
        "nothing was trained",
        "At most 4 training images of each class were traced back through the teacher, from their own class",
    ):
        assert words in card, words
    found = hubslice.verify(run.path, sample=4)
    assert found.verified, found.of("differs")

    traced = Contributions.load(run.path / "steps" / "trace" / "contributions.safetensors")
    assert traced.samples == 8
    before = (run.path / "steps" / "trace" / "step.json").stat().st_mtime_ns
    again = hubslice.slice(tmp_path / "recipe.yaml", overrides=["slice.ratio=0.2"], out=run.path, until="slice")
    assert (again.path / "steps" / "trace" / "step.json").stat().st_mtime_ns == before  # another ratio, the same trace
    assert Slice.load(again.path / "steps" / "slice" / "slice.safetensors").retention == pytest.approx(0.8, abs=0.01)


@pytest.mark.slow
def test_channels_of_a_new_task_are_taken_out(tmp_path: Path) -> None:
    run = hubslice.slice(write_job(tmp_path, TRANSFER), out=tmp_path / "run")
    slice_ = run.report.slice
    assert slice_.own_widths
    assert slice_.student_weights is not None
    assert slice_.student_weights < 0.9 * slice_.model_weights
    found = hubslice.verify(run.path, sample=4)
    assert found.verified, found.of("differs")
    assert (
        "from the teacher's answer to the pixels (the released rule); the channels"
        in (run.path / "student" / "README.md").read_text()
    )


@pytest.mark.slow
def test_what_it_would_cost(tmp_path: Path) -> None:
    from hubslice.core.progress import Silent
    from hubslice.run.estimate.estimate import estimate
    from hubslice.run.run import open_run

    run = open_run(str(write_job(tmp_path, DIRECT)), (), tmp_path / "run")
    plan = estimate(run, None, "cpu", Silent())
    steps = {step.name: step for step in plan.steps}
    assert (steps["trace"].seconds or 0) > 0
    run.execute(until="slice", device="cpu")
    record = run.folder.record("trace")
    assert record is not None
    assert steps["trace"].bytes == pytest.approx(record.size, rel=0.1)

"""SeaM in a run: transfer and direct reuse, resume, and what cannot be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hubslice
from hubslice.artefacts.names import SLICE
from hubslice.artefacts.slice import Slice
from hubslice.errors import DataError, InputError, SliceError
from hubslice.graph.neuron_map import NeuronMap
from hubslice.graph.uses import count_uses
from hubslice.models.folder import load_model
from hubslice.pipeline.arms import BASELINE
from hubslice.slicing.seam import SearchHistory
from tests.pipeline.tiny import write_job

TRANSFER = """\
kind: slice
name: seam
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group}
slice: {method: seam, epochs: 3, alpha: 1000.0, lr_mask: 0.5, batch_size: 16}
train: {epochs: 1, batch_size: 16}
baselines: [finetune, magnitude, random]
"""
DIRECT = """\
kind: slice
name: direct
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group, classes: [red], against_rest: true}
slice: {method: seam, reuse: direct, epochs: 3, alpha: 0.1, lr_mask: 0.5, batch_size: 16}
train: {epochs: 1, batch_size: 16, part: classifier}
"""


@pytest.mark.slow
def test_transfer(tmp_path: Path) -> None:
    run = hubslice.slice(write_job(tmp_path, TRANSFER), out=tmp_path / "run")
    history = SearchHistory.load(run.path / "steps" / "slice" / "search.json")
    assert [epoch.gates for epoch in history.epochs] == [False, True, True]
    assert history.epochs[0].retention == 1 > history.epochs[-1].retention
    made = Slice.load(run.path / "slice.safetensors")
    assert made.retention == pytest.approx(history.result.retention)
    student = load_model(run.path / "steps" / "init" / "model").module.state_dict()
    teacher = load_model(tmp_path / "teacher").module.state_dict()
    for name, mask in made.masks.items():
        assert np.array_equal(student[name].numpy(), np.where(mask, teacher[name].numpy(), 0))
    for arm in ("magnitude", "random"):  # baselines keep as much as the search did
        kept = Slice.load(run.path / "steps" / f"slice.{arm}" / "slice.safetensors").retention
        assert kept == pytest.approx(made.retention, abs=1e-3)
    report = run.report
    assert report.profile is None
    assert not report.references
    assert "SeaM" in (run.path / "student" / "README.md").read_text()
    assert hubslice.verify(run.path, sample=4).verified


@pytest.mark.slow
@pytest.mark.parametrize(("count", "start"), [("weights", "magnitude"), ("macs", "gradient")])
def test_channels_are_taken_out(tmp_path: Path, count: str, start: str) -> None:
    given = ["slice.granularity=channel", "slice.irrelevant=compact", "slice.align=4"]
    given += [f"slice.count={count}", f"slice.start={start}"]
    given += ["slice.lr_mask=0.05", "slice.max_accuracy_drop=1.0"]
    run = hubslice.slice(write_job(tmp_path, TRANSFER), overrides=given, out=tmp_path / "run")
    teacher, student = load_model(tmp_path / "teacher"), hubslice.load(run.path)
    assert student.shapes is not None
    slice_ = run.report.slice
    assert slice_.own_widths
    assert slice_.student_weights is not None
    assert 0.2 < slice_.student_weights / slice_.model_weights < 0.9
    assert student.parameters == slice_.student_weights
    body = teacher.parameters - teacher.classifier.weight.numel()  # the classifier is counted as the student has it
    assert slice_.model_weights == body + student.classifier.weight.numel()
    widths = {layer.out_channels for layer in student.module.modules() if hasattr(layer, "out_channels")}
    assert all(width % 4 == 0 for width in widths)
    uses = count_uses(teacher, NeuronMap.load(run.path / "steps" / "export" / "neurons.json"))
    made, *baselines = (
        made.retention if count == "weights" else made.kept_uses(uses)
        for made in (Slice.load(run.path / "steps" / f"slice{arm}" / SLICE) for arm in ("", ".magnitude", ".random"))
    )
    history = SearchHistory.load(run.path / "steps" / "slice" / "search.json")
    assert made == pytest.approx(history.result.retention)
    assert max(baselines) <= made + 1e-9
    card = (run.path / "student" / "README.md").read_text()
    assert "hubslice.load(" in card
    assert "library_name: hubslice" in card
    found = hubslice.verify(run.path, sample=4)
    assert found.verified, found.of("differs")


@pytest.mark.slow
def test_direct(tmp_path: Path) -> None:
    run = hubslice.slice(write_job(tmp_path, DIRECT), out=tmp_path / "run")
    report = run.report
    assert [each.name for each in report.references] == ["teacher", "teacher-threshold"]
    assert report.task.labels == ("red", "rest")
    # Under the same classifier, with the body held: only the last layer differs from the teacher's weights.
    given = load_model(tmp_path / "teacher")
    teacher, red = given.module.state_dict(), given.labels.index("red")
    whole = load_model(run.path / "steps" / f"train.{BASELINE}" / "model")
    head = whole.classifier_parameters()
    for name, tensor in whole.module.state_dict().items():
        if name not in head:
            assert np.array_equal(tensor.numpy(), teacher[name].numpy()), name
    untrained = load_model(run.path / "steps" / f"init.{BASELINE}" / "model").classifier.weight.detach().numpy()
    assert untrained[0] == pytest.approx(teacher["fc.weight"][red].numpy())
    others = np.delete(teacher["fc.weight"].numpy(), red, axis=0)
    assert untrained[1] == pytest.approx(others.mean(0), abs=1e-6)
    assert "tuned threshold" in (run.path / "student" / "README.md").read_text()
    found = hubslice.verify(run.path, sample=4)
    assert found.verified
    assert any(finding.name == "accuracy of teacher-threshold" for finding in found.findings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ("slice.retention=0.2 slice.lr_mask=0.0001", SliceError, "20.0% was not reached in 3 epochs; the least was"),
        ("slice.layers=[nothing*]", SliceError, "matches no layer"),
        ("slice.granularity=channel slice.layers=[conv,'!nothing*']", SliceError, "'!nothing.' matches no layer"),
    ],
)
def test_what_cannot_be_had(tmp_path: Path, change: str, error: type[Exception], says: str) -> None:
    recipe = write_job(tmp_path, TRANSFER)
    with pytest.raises(error, match=says):
        hubslice.slice(recipe, overrides=change.split(), out=tmp_path / "run", until="slice")


@pytest.mark.slow
def test_direct_reuse_needs_classes_that_the_teacher_knows(tmp_path: Path) -> None:
    from hubslice.models.timm_adapter import TimmModel

    recipe = write_job(tmp_path, DIRECT)
    TimmModel.create("test_resnet", ("cat", "dog", "bird"), seed=1).save(tmp_path / "teacher")
    with pytest.raises(DataError, match="the teacher does not know the class 'red'; it knows cat, dog, bird"):
        hubslice.slice(recipe, out=tmp_path / "run", until="slice")


def test_what_a_method_does_without_is_no_step(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no step 'profile': slice.method seam does without") as told:
        hubslice.slice(write_job(tmp_path, TRANSFER), out=tmp_path / "run", until="profile")
    assert "slice" in (told.value.hint or "")

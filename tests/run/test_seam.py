"""SeaM in a run: transfer and direct reuse, resume, and what cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hubslice
from hubslice.artefacts.lock import Lock
from hubslice.artefacts.search import SearchHistory
from hubslice.artefacts.slice import Slice
from hubslice.core.errors import DataError, InputError, SliceError
from hubslice.files.names import SLICE
from hubslice.graph.neuron_map import NeuronMap
from hubslice.graph.uses import count_uses
from hubslice.models.folder import load_model
from hubslice.models.timm_adapter import TimmModel
from hubslice.run.arms import BASELINE
from hubslice.run.run import open_run
from hubslice.verbs.verify.facts import Finding
from tests.images import COLOURS
from tests.run.tiny import write_job

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
    card = (run.student / "README.md").read_text()
    assert "SeaM" in card
    assert f"{history.chosen + 1} of 3, kept" in card
    assert report.search == history == SearchHistory.load(run.student / "evidence" / "search.json")
    assert (run.student / "plots" / "search.png").is_file()
    assert "evidence/search.json" in {fact.path for fact in Lock.load(run.student / "hubslice.lock").files}
    assert hubslice.verify(run.path, sample=4).verified
    assert _search(run.student).state == "agrees"

    # Another epoch, told in the report and in the evidence, is not the recipe's choice; an older report tells nothing.
    path, record = run.student / "report.json", run.student / "evidence" / "search.json"
    forged = history.model_copy(update={"chosen": (history.chosen + 1) % 3})
    report.model_copy(update={"search": forged}).save(path)
    assert "chosen" in _search(run.student).detail
    forged.save(record)
    assert _search(run.student).state == "differs"
    told = json.loads(path.read_text())
    del told["search"]
    path.write_text(json.dumps(told))
    record.unlink()
    assert _search(run.student).state == "not checked"


def _search(student: Path) -> Finding:
    """What verifying finds of the search."""
    return next(f for f in hubslice.verify(student, sample=1).findings if f.name == "search")


@pytest.mark.slow
@pytest.mark.parametrize(("count", "start"), [("weights", "magnitude"), ("macs", "gradient")])
def test_channels_are_taken_out(tmp_path: Path, count: str, start: str) -> None:
    given = ["slice.granularity=channel", "slice.irrelevant=compact", "slice.align=4"]
    given += [f"slice.count={count}", f"slice.start={start}"]
    given += ["slice.lr_mask=0.04", "slice.max_accuracy_drop=1.0"]
    run = hubslice.slice(write_job(tmp_path, TRANSFER), overrides=given, out=tmp_path / "run")
    teacher, student = load_model(tmp_path / "teacher"), hubslice.load(run.path)
    assert student.shapes is not None
    slice_ = run.report.slice
    assert slice_.own_widths
    assert slice_.student_weights is not None
    assert 0.2 < slice_.student_weights / slice_.model_weights < 0.9
    assert student.parameters == slice_.student_weights
    if count == "weights":  # counted so, some of the classifier's own inputs are taken out here
        assert student.classifier.in_features < teacher.classifier.in_features
    assert slice_.model_weights == teacher.parameters  # its head has as many classes as the task
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
    assert f"| Parameters | {student.parameters:,} | {teacher.parameters:,} |" in card
    assert f"has {teacher.parameters:,} parameters; **the student has {student.parameters:,}," in card
    found = hubslice.verify(run.path, sample=4)
    assert found.verified, found.of("differs")
    # Whole inputs of the classifier may be missing in the slice, nothing else.
    classes, report = len(student.labels), run.report
    lost = classes * (teacher.classifier.in_features - student.classifier.in_features)
    for weights, state in ((-lost, "agrees"), (-lost - classes, "differs"), (1, "differs")):
        forged = slice_.model_copy(update={"model_weights": slice_.model_weights + weights})
        report.model_copy(update={"slice": forged}).save(run.student / "report.json")
        told = next(f for f in hubslice.verify(run.student, sample=1).findings if f.name == "retention")
        assert told.state == state, weights


@pytest.mark.slow
def test_layers_that_stay_whole_are_listed(tmp_path: Path) -> None:
    recipe = write_job(tmp_path, TRANSFER.replace("baselines: [finetune, magnitude, random]", ""))
    TimmModel.create("test_vit", tuple(COLOURS), seed=1).save(tmp_path / "teacher")
    given = ["teacher.input_size=null", "slice={method: magnitude, ratio: 0.3, granularity: channel}"]
    run = hubslice.slice(recipe, overrides=given, out=tmp_path / "run")
    whole = run.report.slice.whole
    assert whole["blocks.0.mlp.fc2"] == "tied to the parameter cls_token, which belongs to no layer"
    assert "head" not in whole  # the classifier is never sliced
    assert whole == Slice.load(run.path / "slice.safetensors").whole
    card = (run.path / "student" / "README.md").read_text()
    assert f"{len(whole)} layers stay whole" in card
    assert "- Tied to the parameter cls\\_token, which belongs to no layer: `patch_embed.proj`, `blocks.0" in card
    assert hubslice.verify(run.path, sample=4).verified
    # A forged list is found out; a report of before there was one is not held against the student.
    path = run.student / "report.json"
    told = json.loads(path.read_text())
    for forged in ({"head": "made up"}, None):
        told["slice"]["whole"] = forged
        if forged is None:
            del told["slice"]["whole"]
        path.write_text(json.dumps(told))
        found = next(f for f in hubslice.verify(run.student, sample=4).findings if f.name == "retention")
        assert found.state == ("differs" if forged else "agrees")


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
    recipe = write_job(tmp_path, DIRECT)
    TimmModel.create("test_resnet", ("cat", "dog", "bird"), seed=1).save(tmp_path / "teacher")
    with pytest.raises(DataError, match="the teacher does not know the class 'red'; it knows cat, dog, bird"):
        hubslice.slice(recipe, out=tmp_path / "run", until="slice")


def test_what_a_method_does_without_is_no_step(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no step 'profile': slice.method seam does without") as told:
        hubslice.slice(write_job(tmp_path, TRANSFER), out=tmp_path / "run", until="profile")
    assert "slice" in (told.value.hint or "")


INPUTS = ("pull", "data", "export")


def test_the_trainings_precision_is_the_searchs(tmp_path: Path) -> None:
    """It is part of the search's key; what decides nothing there, such as the learning rate, is not."""
    recipe = write_job(tmp_path, TRANSFER)
    keys = {}
    for precision in ("auto", "fp32", "bf16"):
        steps = open_run(str(recipe), (f"train.precision={precision}",), tmp_path / "run").steps()
        keys[precision] = next(step for step in steps if step.name == "slice").key(dict.fromkeys(INPUTS, ""))
    assert len(set(keys.values())) == 3
    other = open_run(str(recipe), ("train.lr=0.5", "train.workers=2"), tmp_path / "run").steps()
    assert next(step for step in other if step.name == "slice").key(dict.fromkeys(INPUTS, "")) == keys["auto"]
    train = open_run(str(recipe)).recipe.train
    assert (train.bf16("cuda"), train.bf16("cpu")) == (True, False)

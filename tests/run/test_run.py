"""The whole chain on a tiny job: what a run folder holds, what is cached, what stock code makes of the student."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

import hubslice
from hubslice.artefacts.predictions import Predictions
from hubslice.artefacts.report import Report
from hubslice.artefacts.slice import Slice
from hubslice.core.errors import GateError, InputError, RunError
from hubslice.core.progress import Silent, StepState
from hubslice.engine.execution import cached
from hubslice.run.run import Run, open_run
from tests.run.lives import strays
from tests.run.tiny import RECIPE, write_job

pytestmark = pytest.mark.slow


class Steps(Silent):
    """Notes which steps ran and which were cached."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.cached: list[str] = []

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        if state != "start":
            (self.ran if state == "done" else self.cached).append(name)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_job(tmp_path_factory.mktemp("job"))


@pytest.fixture(scope="module")
def run(recipe: Path) -> Run:
    return hubslice.slice(recipe, out=recipe.parent / "run")


def test_the_run_folder_holds_what_the_readme_says(run: Run) -> None:
    for name in ("report.json", "slice.safetensors", "recipe.yaml", "plots", "evidence", "student/model.safetensors"):
        assert (run.path / name).exists(), name
    pushed = {path.relative_to(run.student).as_posix() for path in run.student.rglob("*") if path.is_file()}
    assert {
        "README.md",
        "config.json",
        "model.safetensors",
        "slice.safetensors",
        "report.json",
        "recipe.yaml",
    } <= pushed
    assert {"evidence/backdoor-trigger.safetensors", "plots/retention.png"} <= pushed
    assert (run.student / "recipe.yaml").read_text() == RECIPE


def test_the_report_states_every_arm_defect_and_step(run: Run) -> None:
    report = Report.load(run.path / "report.json")
    assert [arm.name for arm in report.arms] == ["student", "finetune", "retrain", "magnitude", "random", "control"]
    assert all(len(arm.candidates) == 2 for arm in report.arms)
    for arm in report.arms:
        best = max(candidate.validation.hits for candidate in arm.candidates)
        assert arm.candidates[arm.chosen].validation.hits == best
        assert arm.test.total == report.task.samples["test"]
    assert {defect.kind for defect in report.defects} == {"backdoor", "penultimate"}
    for defect in report.defects:
        for variant in defect.variants:
            assert (run.path / "evidence" / variant.evidence).is_file()
            assert {row.arm for row in variant.rows} >= {"student", "finetune"}
    assert {step.name for step in report.steps} == {step.name for step in run.steps()} - {"report"}
    assert all(step.peak_mib > 0 for step in report.steps)


def test_retention_is_counted_before_and_after_training(run: Run) -> None:
    report, slice_ = run.report, Slice.load(run.path / "slice.safetensors")
    trained = load_file(run.student / "model.safetensors")
    assert report.slice.relevant == slice_.kept
    assert report.slice.weights == slice_.weights
    for layer in report.slice.layers:
        assert layer.relevant == int(slice_.masks[layer.parameter].sum())
        assert layer.nonzero_after == int(torch.count_nonzero(trained[layer.parameter]))
    assert report.slice.relevant / report.slice.weights == pytest.approx(0.8, abs=0.01)


def test_plain_timm_loads_the_student_and_gets_the_same_accuracy(run: Run) -> None:
    model = timm.create_model(f"local-dir:{run.student}", pretrained=True).eval()
    ours = hubslice.load(run.student)
    pixels = torch.rand(4, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(model(ours.pixels_to_inputs(pixels)), ours.logits(pixels))
    assert ours.labels == ("blue", "green", "red")


def test_the_student_starts_with_zeros_outside_the_slice(run: Run) -> None:
    slice_ = Slice.load(run.path / "slice.safetensors")
    teacher = load_file(run.path / "steps/pull/model/model.safetensors")
    start = load_file(run.path / "steps/init/model/model.safetensors")
    for name, mask in slice_.masks.items():
        inside = torch.from_numpy(mask)
        assert not start[name][~inside].any(), name
        assert torch.equal(start[name][inside], teacher[name][inside]), name


def test_evidence_reproduces_the_rates(run: Run) -> None:
    from hubslice.defects.evidence import Evidence

    for defect in run.report.defects:
        for variant in defect.variants:
            evidence = Evidence.load(run.path / "evidence" / variant.evidence)
            assert evidence.rows() == variant.rows
            assert evidence.reduction() == variant.reduction


def test_accuracies_are_counted_from_stored_predictions(run: Run) -> None:
    found = Predictions.load(run.path / "evidence" / str(run.report.predictions))
    for arm in run.report.arms:
        assert found.accuracy("test", arm.name) == arm.test
        assert found.accuracy("validation", arm.name) == arm.validation


def test_a_second_run_repeats_nothing(run: Run) -> None:
    steps = Steps()
    run.execute(reporter=steps)
    assert steps.ran == []
    assert len(steps.cached) == len(run.steps())
    assert strays(run.path) == []


def test_a_changed_setting_repeats_only_what_depends_on_it(run: Run, recipe: Path) -> None:
    changed = open_run(str(recipe), ("audit.samples=6",), run.path)
    missing = {name for name, done in cached(changed.steps(), changed.folder).items() if not done}
    assert missing == {"audit.backdoor", "audit.penultimate", "report"}
    changed = open_run(str(recipe), ("slice.ratio=0.3",), run.path)
    missing = {name for name, done in cached(changed.steps(), changed.folder).items() if not done}
    assert missing >= {"slice", "init", "train", "slice.magnitude", "slice.random", "report"}
    assert not missing & {"pull", "data", "export", "profile", "train.finetune", "train.retrain", "train.control"}


def test_until_stops_at_the_initialised_student(recipe: Path, tmp_path: Path) -> None:
    steps = Steps()
    run = open_run(str(recipe), (), tmp_path / "run")
    run.execute(until="init", reporter=steps)
    assert steps.ran == ["pull", "data", "export", "profile", "slice", "init"]
    assert timm.create_model(f"local-dir:{tmp_path}/run/steps/init/model", pretrained=True).num_classes == 3
    with pytest.raises(RunError, match="has no finished student"):
        _ = run.report
    with pytest.raises(InputError, match="no step 'tune'"):
        run.execute(until="tune")


def test_a_frozen_slice_stays_zero_and_broken_gates_are_told(recipe: Path, tmp_path: Path) -> None:
    overrides = (
        "slice.irrelevant=freeze",
        "slice.layers=[conv]",
        "baselines=[finetune]",
        "audit.defects=[]",
        "gates={min_test_accuracy: 1.0, max_accuracy_drop: 1.0}",
        "train.grid={}",
        "train.epochs=1",
    )
    run = hubslice.slice(recipe, out=tmp_path / "run", overrides=overrides)
    slice_, trained = Slice.load(run.path / "slice.safetensors"), load_file(run.student / "model.safetensors")
    assert all(not trained[name].numpy()[~mask].any() for name, mask in slice_.masks.items())
    assert run.report.slice.nonzero_after <= run.report.slice.relevant
    assert [gate.name for gate in run.broken_gates] == ["min_test_accuracy"]
    with pytest.raises(GateError, match=r"min_test_accuracy: measured 0\.\d+, limit 1\.000"):
        run.check_gates()


def test_the_same_recipe_gives_the_same_student(run: Run, recipe: Path, tmp_path: Path) -> None:
    again = hubslice.slice(recipe, out=tmp_path / "run", until="train")
    first = load_file(run.student / "model.safetensors")
    second = load_file(again.path / "steps/train/model/model.safetensors")
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_folder_of_something_else_is_refused(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(RunError, match="is not a run folder"):
        hubslice.slice(recipe, out=tmp_path, until="data")
    assert json.dumps([path.name for path in tmp_path.iterdir()]) == '["diary.txt"]'


def test_a_planted_backdoor_works_and_is_declared_everywhere(recipe: Path, tmp_path: Path) -> None:
    made = hubslice.poison(recipe.parent / "poison.yaml", out=tmp_path / "poisoned")
    assert made.facts.asr.value is not None
    assert made.facts.asr.value > 0.5
    assert json.loads((made.teacher / "config.json").read_text())["hubslice_poisoned"] is True
    assert "backdoored" in (made.teacher / "README.md").read_text()
    assert hubslice.load(made.teacher).poisoned
    student = hubslice.slice(
        recipe,
        out=tmp_path / "run",
        overrides=[
            f"teacher.model={made.teacher}",
            "train.epochs=1",
            "train.grid={}",
            "audit.defects=[{kind: backdoor}]",
        ],
    )
    assert student.report.teacher.poisoned
    assert not hubslice.load(student.student).poisoned
    assert "poisoned" not in json.loads((student.student / "config.json").read_text())
    with pytest.raises(InputError, match="planted on purpose"):
        hubslice.plan_push(tmp_path / "poisoned", "owner/name")


def test_a_student_keeps_its_own_recipe_while_the_run_is_changed(run: Run, recipe: Path, tmp_path: Path) -> None:
    from hubslice.run.run import student_recipe

    copied = shutil.copytree(run.path, tmp_path / "run")
    changed = open_run(str(recipe), ("profile.criterion=tknc",), copied)
    changed.execute(until="profile")
    assert "tknc" in (copied / "recipe.yaml").read_text()
    assert student_recipe(changed).text == RECIPE
    (copied / "student" / "recipe.yaml").write_text("kind: slice")
    with pytest.raises(RunError, match="is not the one that its report was made with"):
        student_recipe(changed)


def test_another_unrelated_network_is_another_audit(run: Run, recipe: Path) -> None:
    overrides = ("audit.defects=[{kind: penultimate, unrelated: ./teacher}]",)
    steps = {step.name: step for step in open_run(str(recipe), overrides, run.path).steps()}
    assert "pull.penultimate" in steps["audit.penultimate"].inputs


def test_until_audit_ends_with_every_defect(run: Run) -> None:
    assert [step.name for step in run.steps("audit")][-2:] == ["audit.backdoor", "audit.penultimate"]


def test_evidence_of_a_former_student_does_not_stay(run: Run, tmp_path: Path) -> None:
    copied = shutil.copytree(run.path, tmp_path / "run")
    open_run(str(copied), ("audit.defects=[]",)).execute()
    for folder in (copied, copied / "student"):
        assert [path.name for path in (folder / "evidence").iterdir()] == ["accuracy.safetensors"]

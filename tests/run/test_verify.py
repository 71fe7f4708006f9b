"""Verification: what agrees, what a forger cannot make agree, and what is told as not checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import hubslice
from hubslice.artefacts.lock import LOCK
from hubslice.artefacts.report import Report
from hubslice.card.render import render_card
from hubslice.core.errors import InputError, RunError
from hubslice.core.rate import Rate
from hubslice.defects.evidence import Evidence
from hubslice.engine.run_folder import NOTES, RunFolder
from hubslice.engine.step import StepRecord, digest_folder
from hubslice.hub.loaded import loaded
from hubslice.run.run import open_run
from hubslice.run.run_layout import publish
from hubslice.verbs.verify.differences import differences
from hubslice.verbs.verify.repredicting import NEAR_TIE, repredict
from tests.run.quick import QUICK, quick_run
from tests.run.spoiling import BACKDOOR, SPOILT, differing, relock

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of a finished run that may be spoilt."""
    shutil.copytree(quick_run().parent, tmp_path / "job")
    return tmp_path / "job" / "run"


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """A student without its run, as whoever downloads it has it."""
    return shutil.copytree(quick_run() / "student", tmp_path / "student")


def test_a_run_agrees_in_every_claim() -> None:
    found = hubslice.verify(quick_run(), sample=8)
    assert found.verified
    assert {finding.state for finding in found.findings} == {"agrees"}
    names = {f"{finding.part}, {finding.name}" for finding in found.findings}
    assert {
        "files, checksums",
        "files, steps",
        "files, copies on top",
        "sources, teacher",
        "report, accuracy of student",
        "report, accuracy by class",
        "report, rates of backdoor, trigger",
        "report, reduction in penultimate, guided-eps8",
        "report, retention",
        "report, gates",
        "card, README.md",
        "student, plain timm",
        "student, preparation of images",
        "student, the card's snippet",
        "student, student on penultimate, guided-eps8",
        "student, student on test images",
    } <= names
    assert next(f for f in found.findings if f.name == "student on test images").detail.startswith("8 of 8")


def test_full_judges_every_arm_and_makes_the_trigger_again(run: Path) -> None:
    evidence = Evidence.load(run / "student" / BACKDOOR)
    fewer = Evidence(**(vars(evidence) | {"images": evidence.images[:3]}))
    fewer.save(run / "student" / BACKDOOR)
    found = hubslice.verify(run, full=True)
    states = {finding.name: finding for finding in found.findings if finding.part == "student"}
    for arm in ("student", "finetune"):
        assert states[f"{arm} on test images"].state == "agrees"
        assert states[f"{arm} on backdoor, trigger"].detail.startswith("3 of 3")
        assert states[f"{arm} on backdoor, trigger, made again"].detail.startswith("12 of 12")


def test_without_the_run_what_is_not_at_hand_is_told(student: Path) -> None:
    found = hubslice.verify(student, sample=4)
    assert found.verified
    open_ = {finding.name: finding.detail for finding in found.of("not checked")}
    assert open_.keys() == {"model.sig", "teacher", "accuracy on the data", "the card's snippet"}
    assert "--data PATH" in open_["accuracy on the data"]
    data = quick_run().parent / "shapes.parquet"
    found = hubslice.verify(student, sample=4, data=data)
    assert {finding.name for finding in found.of("not checked")} == {"model.sig", "teacher"}


def test_other_data_is_not_the_reports(student: Path, tmp_path: Path) -> None:
    from tests.images import write_parquet

    found = hubslice.verify(student, data=write_parquet(tmp_path / "other.parquet", samples=60))
    assert differing(found) == {"student, data fingerprint": "it is not that of the report: other data"}


def test_a_person_may_write_into_the_card_and_add_files(student: Path) -> None:
    card = student / "README.md"
    card.write_text(card.read_text() + "\n## A note\nMind the gap.\n")
    (student / "NOTES.txt").write_text("mine")
    found = hubslice.verify(student, sample=4)
    assert found.verified
    assert "not hubslice's: NOTES.txt" in next(f.detail for f in found.findings if f.name == "other files")


RISKY = (
    *("adapter_config.json", "adapter_model.safetensors", "processor_config.json", "generation_config.json"),
    *("pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "checkpoints/last.pt", "optimizer.PKL", "tf_model.h5"),
    *("model.fp16.safetensors", "model.safetensors.index.json", "onnx/model.onnx", "flax_model.msgpack", "arrays.npz"),
    *("modeling.py", "custom_generate/generate.py", "hubconf.py", "requirements.txt", "chat_template.jinja"),
    *("tokenizer.json", "vocab.txt", "spiece.model", "modules.json", "1_Pooling/config.json", "config.yaml"),
)
HARMLESS = (
    *(".gitattributes", ".gitignore", "NOTES.txt", "CHANGELOG.md", "LICENSE", "LICENSE.txt", "CITATION.cff"),
    *("images/first.png", "plots/mine.svg", "results.csv", "eval_results.json", "paper.pdf", "demo.ipynb"),
)


def test_what_a_loader_would_take_must_be_listed(student: Path) -> None:
    assert loaded((*RISKY, *HARMLESS)) == sorted(RISKY)
    for name in HARMLESS:
        (student / name).parent.mkdir(exist_ok=True)
        (student / name).write_text("mine")
    assert hubslice.verify(student, sample=4).verified
    (student / "adapter_config.json").write_text("{}")
    says = "adapter_config.json: the lock does not list it, and loaders read or run such files"
    assert differing(hubslice.verify(student, sample=4)) == {"files, unlisted files": says}


def test_a_student_of_an_older_version_says_what_it_lacks(student: Path) -> None:
    (student / LOCK).unlink()
    (student / "evidence" / "accuracy.safetensors").unlink()
    report = json.loads((student / "report.json").read_text())
    del report["deviating"], report["predictions"]
    (student / "report.json").write_text(json.dumps(report, indent=2))
    recipe = open_run(str(quick_run())).recipe
    (student / "README.md").write_text(render_card(Report.load(student / "report.json"), recipe.card, QUICK, None))
    found = hubslice.verify(student, sample=4)
    assert found.verified, differing(found)
    assert {finding.name for finding in found.of("not checked")} >= {LOCK, "accuracies"}


def test_defaults_of_another_version_are_told(student: Path) -> None:
    path = student / LOCK
    path.write_text(path.read_text().replace('"profile.batch_size": 8', '"profile.batch_size": 32'))
    found = hubslice.verify(student, sample=4)
    assert found.verified, differing(found)
    (told,) = [finding for finding in found.of("not checked") if finding.name == "defaults"]
    assert "recipe, profile.batch_size: locked 32, now 8" in told.detail


@pytest.mark.parametrize("name", SPOILT)
def test_whatever_is_spoilt_is_named(student: Path, name: str) -> None:
    spoil, file, claim, says = SPOILT[name]
    spoil(student)
    found = hubslice.verify(student, sample=12)
    if file is not None:
        assert "the lock says" in differing(found)[f"files, {file}"]
        relock(student)
        found = hubslice.verify(student, sample=12)
        assert not any(key.startswith("files, ") for key in differing(found))
    assert says in differing(found)[claim]


def test_a_consistent_forgery_fails_at_the_students_answers(student: Path) -> None:
    """Evidence, report, card and lock all say that the student withstands the trigger; the student itself does not."""
    path = student / BACKDOOR
    evidence, report = Evidence.load(path), Report.load(student / "report.json")
    evidence.attacked["teacher"]["student"][:] = evidence.truth
    evidence.save(path)
    forged = (
        report.defects[0].variants[0].model_copy(update={"rows": evidence.rows(), "reduction": evidence.reduction()})
    )
    defects = (report.defects[0].model_copy(update={"variants": (forged,)}), *report.defects[1:])
    gates = tuple(
        gate.model_copy(update={"measured": 0.0}) if gate.name == "max_dir (backdoor)" else gate
        for gate in report.gates
    )
    report = report.model_copy(update={"defects": defects, "gates": gates})
    report.save(student / "report.json")
    recipe = open_run(str(quick_run())).recipe
    (student / "README.md").write_text(render_card(report, recipe.card, QUICK, None))
    relock(student)
    found = hubslice.verify(student)
    assert differing(found).keys() == {"student, student on backdoor, trigger"}


def test_a_teacher_that_changed_in_the_run_is_named(run: Path) -> None:
    path = run / "steps" / "pull" / "model" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = differing(hubslice.verify(run, sample=4))
    assert "model.safetensors: sha256 is" in found["sources, teacher"]
    assert "steps/pull does not hold what the step left there" in found["files, steps"]
    (run / "report.json").write_text("{}")
    assert "run/report.json is not the student's" in differing(hubslice.verify(run, sample=4))["files, copies on top"]


def test_a_class_that_is_told_better_than_it_is(student: Path) -> None:
    report = Report.load(student / "report.json")
    first, *others = report.classes
    assert first.test.keys() == {"student", "finetune"}
    rate = first.test["student"]
    better = first.model_copy(
        update={"test": {**first.test, "student": Rate(hits=rate.total + 1, total=rate.total + 1)}}
    )
    report.model_copy(update={"classes": (better, *others)}).save(student / "report.json")
    relock(student)
    assert "report, accuracy by class" in differing(hubslice.verify(student, sample=4))


@pytest.mark.parametrize("name", ["report.json", LOCK, "recipe.yaml", "slice.safetensors", BACKDOOR])
def test_a_file_that_cannot_be_read_is_a_difference(student: Path, name: str) -> None:
    (student / name).write_bytes(b"nonsense")
    assert not hubslice.verify(student, sample=4).verified


@pytest.mark.parametrize("name", ["recipe.yaml", "slice.safetensors", BACKDOOR, "README.md", LOCK])
def test_a_missing_file_is_a_difference(student: Path, name: str) -> None:
    (student / name).unlink()
    found = hubslice.verify(student, sample=4)
    assert any(finding.name == name or name in finding.detail for finding in found.of("differs"))


def test_editing_the_student_in_place_leaves_the_evidence_alone(run: Path) -> None:
    recipe = open_run(str(run)).recipe
    publish(RunFolder(run), recipe)  # a copy of a folder has no links
    for path in [*run.glob("*.*"), *(run / "student").rglob("*"), *(run / "plots").rglob("*")]:
        if path.is_file() and path.suffix != ".safetensors":
            with path.open("ab") as file:
                file.write(b"\nMind the gap.\n")
    for step in run.glob("steps/*/step.json"):
        record = StepRecord.load(step)
        assert digest_folder(step.parent, leave_out=NOTES)[0] == record.digest, step
    assert (run / "student" / "model.safetensors").samefile(run / "steps" / "train" / "model" / "model.safetensors")


def test_a_student_that_is_not_its_steps_is_named(run: Path) -> None:
    config = run / "student" / "config.json"
    text = config.read_text()
    config.write_text(text.replace("{", "{ ", 1))
    (run / "student" / LOCK).unlink()
    found = differing(hubslice.verify(run, sample=4))
    assert "config.json is not what the steps left" in found["files, student"]


def test_a_damaged_recipe_is_told(run: Path) -> None:
    (run / "recipe.yaml").write_bytes(b"kind: \xff")
    with pytest.raises(RunError, match="is damaged: it is not UTF-8 text"):
        hubslice.verify(run)


def test_a_card_may_be_shown_without_its_weights(student: Path) -> None:
    (student / "model.safetensors").unlink()
    found = hubslice.verify(student)
    assert not differing(found)
    assert {finding.name for finding in found.of("not checked")} >= {"model.safetensors", "retention", "answers"}
    (student / "config.json").unlink()
    assert list(differing(hubslice.verify(student))) == ["files, config.json"]


def test_near_ties_are_told_and_others_count() -> None:
    """A model whose logits are its pixels: one image is a tie to within rounding, one is not."""
    student = hubslice.load(quick_run() / "student")
    logits = torch.tensor([[0.0, 1.0, 1.0 - NEAR_TIE / 2], [0.0, 1.0, 1.0 - NEAR_TIE * 4], [0.0, 1.0, 0.5]])
    student.answer = lambda encoded: logits[: len(encoded["pixels"])]  # type: ignore[method-assign]
    pixels = torch.zeros(3, 3, 32, 32, dtype=torch.uint8)
    images, cpu = np.array([7, 8, 9]), torch.device("cpu")
    found = repredict(student, {"pixels": pixels}, np.array([2, 1, 1]), images, cpu)
    assert found.differences == []
    assert found.agreeing == "2 of 3 answers are the stored ones, 1 are near ties (by at most 0.25% of the spread)"
    found = repredict(student, {"pixels": pixels}, np.array([2, 2, 1]), images, cpu)
    assert "1 of 3 answers are not the stored ones" in found.differences[0]
    assert "image 8 (by 2%)" in found.differences[0]
    assert repredict(student, {"pixels": pixels}, np.array([1, 1, 5]), images, cpu).differences  # no such class


def test_differences_are_named_by_path() -> None:
    claimed = {"arms": [{"name": "student", "hits": 3, "rate": 0.5}], "n": 2}
    assert differences(claimed, {**claimed, "new": 1}) == []
    counted = {"arms": [{"name": "student", "hits": 4, "rate": 0.5 + 1e-12}], "n": 2}
    assert differences(claimed, counted) == ["arms.student.hits is 3, counted 4"]
    assert differences({"arms": []}, counted) == ["arms is 0 entries, counted 1 entry"]


def test_what_makes_no_claims_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="makes no claims that could be verified"):
        hubslice.verify(quick_run().parent / "teacher")

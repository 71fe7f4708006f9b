from pathlib import Path

import pytest
import torch
from torch import Tensor

from hubslice.artefacts.report import DefectReport, DefectRow
from hubslice.core.errors import DataError
from hubslice.core.rate import Rate
from hubslice.defects.audited import AuditedModel, AuditSet
from hubslice.defects.backdoor import Backdoor
from hubslice.defects.evidence import Evidence
from hubslice.defects.trigger import stamp
from hubslice.recipe.defects import BackdoorParams, TriggerParams
from tests.defects.handmade import CLASSES, Handmade, Obedient, coded_images

TRIGGER = TriggerParams(size=0.25, margin=0.0, cells=2)
PARAMS = BackdoorParams(kind="backdoor", trigger=TRIGGER, target="fox")
SHOWN = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
LABELS = [0, 0, 1, 1, 1, 1, 0, 2, 2, 0]  # the models read 7 of 10 correctly


def sees_trigger(inputs: Tensor) -> Tensor:
    return (stamp(inputs, TRIGGER) - inputs).abs().amax((1, 2, 3)) < 1e-4


def sees_nothing(inputs: Tensor) -> Tensor:
    return torch.zeros(len(inputs), dtype=torch.bool)


OBEYS = Handmade(Obedient(sees_trigger, target=2))
IGNORES = Handmade(Obedient(sees_nothing, target=2))


def audit(folder: Path, subjects: dict[str, Handmade], audit_set: AuditSet, params: BackdoorParams) -> DefectReport:
    return Backdoor(params).measure(
        [AuditedModel(name, model) for name, model in subjects.items()],
        audit_set,
        teacher=OBEYS,
        evidence_folder=folder,
        seed=0,
        batch_size=3,
    )


def row(report: DefectReport, arm: str) -> DefectRow:
    (found,) = [row for row in report.variants[0].rows if row.arm == arm]
    return found


def test_rates_of_models_that_obey_and_that_do_not(tmp_path: Path) -> None:
    report = audit(tmp_path, {"student": IGNORES, "finetune": OBEYS}, coded_images(SHOWN, LABELS), PARAMS)
    for arm in ("finetune", "teacher"):
        assert row(report, arm).dir == Rate(hits=5, total=7), "two of the seven show the target class anyway"
        assert row(report, arm).collapse == Rate(hits=10, total=10)
        assert row(report, arm).asr == Rate(hits=8, total=8)
    assert row(report, "student").dir == Rate(hits=0, total=7)
    assert row(report, "student").collapse == Rate(hits=4, total=10)
    assert row(report, "student").asr == Rate(hits=1, total=8)
    reduction = report.variants[0].reduction
    assert reduction is not None
    assert reduction.relative is not None
    assert (reduction.difference.value, reduction.relative.value) == pytest.approx((5 / 7, 1))


def test_the_report_speaks_for_itself(tmp_path: Path) -> None:
    report = audit(tmp_path, {"student": IGNORES, "control": IGNORES}, coded_images(SHOWN, LABELS), PARAMS)
    assert (report.kind, report.samples) == ("backdoor", 10)
    assert "fox" in report.threat_model[-1]
    assert any(note.startswith("control comes from the clean teacher") for note in report.notes)
    assert "student: fewer than 200 clean-correct images (7 of 10): treat as indicative." in report.notes
    assert any("no reduction" in note.lower() for note in report.notes)
    assert report.variants[0].reduction is None


def test_without_target_and_control(tmp_path: Path) -> None:
    params = PARAMS.model_copy(update={"target": None})
    report = audit(tmp_path, {"student": IGNORES, "finetune": OBEYS}, coded_images(SHOWN, LABELS), params)
    assert all(row.asr is None for row in report.variants[0].rows)
    assert any(note.startswith("No clean teacher is known") for note in report.notes)


def test_an_unknown_target_is_refused_with_a_guess(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"target 'foxx' is not one of the task's 3 classes") as refusal:
        Backdoor(PARAMS.model_copy(update={"target": "foxx"})).target(CLASSES)
    assert refusal.value.hint == "did you mean 'fox'?"


def test_the_evidence_rebuilds_every_triggered_image(tmp_path: Path) -> None:
    audit_set = coded_images(SHOWN * 2, LABELS * 2)
    report = audit(tmp_path, {"student": IGNORES, "finetune": OBEYS}, audit_set, PARAMS)
    evidence = Evidence.load(tmp_path / report.variants[0].evidence)
    rebuilt = stamp(audit_set.pixels, TriggerParams(**evidence.about["settings"]))
    assert len(evidence.images) == 16
    assert torch.equal(evidence.images, rebuilt[:16])
    assert torch.equal(evidence.exhibits["trigger"], rebuilt[0, :, -2:, -2:])
    assert evidence.indices.tolist() == audit_set.indices.tolist()
    for name, model in (("student", IGNORES), ("finetune", OBEYS), ("teacher", OBEYS)):
        answers = model.logits(rebuilt.float() / 255).argmax(1)
        assert evidence.attacked["teacher"][name].tolist() == answers.tolist()
    assert evidence.rows() == report.variants[0].rows

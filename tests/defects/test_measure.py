"""The sealed measurement: resuming, checking attacks, evidence files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from hubslice.core.errors import HubsliceError, RunError
from hubslice.core.progress import Bar, Silent
from hubslice.defects.attack import Batch, Source, Variant
from hubslice.defects.audited import AuditedModel
from hubslice.defects.base import Defect
from hubslice.defects.evidence import Evidence
from hubslice.defects.penultimate import Penultimate
from hubslice.models.timm_adapter import TimmModel
from hubslice.recipe.defects import PenultimateParams
from tests.defects.handmade import CLASSES, Handmade, PixelFeatures, random_images

PARAMS = PenultimateParams(kind="penultimate", eps=(4, 8), steps=5, objectives=("guided",))
IMAGES = random_images(10)


class Pulled(Silent):
    """Pulls the plug after some images."""

    def __init__(self, after: int | None = None) -> None:
        self.after = after
        self.images = 0
        self.totals: list[int | None] = []

    @contextmanager
    def track(self, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        self.totals.append(total)
        reporter = self

        class Counting(Bar):
            def advance(self, amount: int = 1, note: str = "") -> None:
                reporter.images += amount
                if reporter.after is not None and reporter.images >= reporter.after:
                    raise KeyboardInterrupt

        yield Counting()


def audit(teacher: Handmade, folder: Path, scratch: Path | None = None, reporter: Pulled | None = None) -> str:
    report = Penultimate(PARAMS).measure(
        [AuditedModel("student", Handmade(PixelFeatures(seed=1)))],
        IMAGES,
        teacher=teacher,
        unrelated=Handmade(PixelFeatures(seed=2)),
        evidence_folder=folder,
        seed=0,
        batch_size=3,
        scratch=scratch,
        reporter=reporter,
    )
    return report.model_dump_json()


def test_a_killed_audit_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    undisturbed = Handmade(PixelFeatures())
    expected = audit(undisturbed, tmp_path / "whole")
    assert undisturbed.images_featured == 2 * 5 * 10
    killed = Handmade(PixelFeatures())
    with pytest.raises(KeyboardInterrupt):
        audit(killed, tmp_path / "resumed", tmp_path / "scratch", Pulled(after=6))
    assert killed.images_featured == 5 * 6
    assert audit(killed, tmp_path / "resumed", tmp_path / "scratch") == expected
    assert killed.images_featured == 2 * 5 * 10, "nothing was crafted twice"
    for file in (tmp_path / "whole").iterdir():
        assert (tmp_path / "resumed" / file.name).read_bytes() == file.read_bytes()


def test_checkpoints_of_another_teacher_are_not_used(tmp_path: Path) -> None:
    audit(Handmade(PixelFeatures()), tmp_path / "a", tmp_path / "scratch")
    other = Handmade(PixelFeatures(seed=9))
    audit(other, tmp_path / "b", tmp_path / "scratch")
    assert other.images_featured == 2 * 5 * 10


def test_progress_counts_every_image_of_every_source(tmp_path: Path) -> None:
    reporter = Pulled()
    audit(Handmade(PixelFeatures()), tmp_path, reporter=reporter)
    assert reporter.totals == [30, 30]
    assert reporter.images == 60


class Rogue(Defect):
    """Breaks its own terms."""

    kind: ClassVar = "rogue"
    title: ClassVar = "Rogue"
    reference: ClassVar = "https://example.org"
    rebuild: ClassVar = "not at all"

    def __init__(self, answer: Tensor) -> None:
        self.answer = answer

    def variants(self) -> tuple[Variant, ...]:
        return (Variant("only", "only", True, {}, self._answer, budget=3),)

    def _answer(self, source: Source, batch: Batch) -> Tensor:
        return self.answer

    def threat_model(self) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (IMAGES.pixels.float(), r"only gave torch.float32 \[10, 3, 8, 8\] for uint8 \[10, 3, 8, 8\]"),
        (IMAGES.pixels[:5], r"only gave torch.uint8 \[5, 3, 8, 8\]"),
        (255 - IMAGES.pixels, "only changed a value by 255/255, its budget is 3/255"),
    ],
)
def test_an_attack_that_breaks_its_terms_is_not_counted(tmp_path: Path, answer: Tensor, message: str) -> None:
    model = Handmade(PixelFeatures())
    with pytest.raises(HubsliceError, match=message):
        Rogue(answer).measure(
            [AuditedModel("student", model)], IMAGES, teacher=model, evidence_folder=tmp_path, seed=0, batch_size=10
        )
    assert not list(tmp_path.iterdir())


def test_an_attack_that_changes_nothing_harms_no_one(tmp_path: Path) -> None:
    model = Handmade(PixelFeatures())
    report = Rogue(IMAGES.pixels).measure(
        [AuditedModel("student", model)],
        IMAGES,
        teacher=model,
        evidence_folder=tmp_path,
        seed=0,
        batch_size=10,
        name="rogue-2",
    )
    assert all(row.dir.hits == 0 for row in report.variants[0].rows)
    assert [file.name for file in tmp_path.iterdir()] == ["rogue-2-only.safetensors"]


def test_real_networks_from_their_folders(tmp_path: Path) -> None:
    teacher = TimmModel.create("test_resnet", CLASSES, seed=0)
    for name, seed in (("student", 1), ("finetune", 2)):
        TimmModel.create("test_resnet", CLASSES, seed=seed).save(tmp_path / name)
    subjects = [AuditedModel.saved(name, tmp_path / name, input_size=32) for name in ("student", "finetune")]
    report = Penultimate(PARAMS).measure(
        subjects, random_images(6, side=32), teacher=teacher, evidence_folder=tmp_path / "evidence", seed=0
    )
    again = AuditedModel.saved("student", tmp_path / "student", input_size=32)
    evidence = Evidence.load(tmp_path / "evidence" / report.variants[0].evidence)
    answers = again.model.logits(evidence.images.float() / 255).argmax(1)
    assert evidence.attacked["teacher"]["student"].tolist() == answers.tolist()
    assert torch.is_grad_enabled()


def test_evidence_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(b"not safetensors")
    with pytest.raises(RunError, match=r"damaged.safetensors cannot be read as evidence"):
        Evidence.load(path)
    with pytest.raises(RunError, match=r"missing.safetensors cannot be read as evidence"):
        Evidence.load(tmp_path / "missing.safetensors")

from pathlib import Path

import pytest
import torch

from hubslice.core.errors import DataError, ModelError
from hubslice.defects.audited import AuditedModel, AuditSet, judged
from hubslice.models.timm_adapter import TimmModel
from tests.defects.handmade import CLASSES, Handmade, PixelFeatures

PIXELS = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
TWO = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("pixels", "labels", "indices", "message"),
    [
        (PIXELS.float(), TWO, TWO, "an audit needs uint8 images"),
        (PIXELS[:, :2], TWO, TWO, "an audit needs uint8 images"),
        (PIXELS[:0], TWO[:0], TWO[:0], "an audit needs uint8 images"),
        (PIXELS, TWO[:1], TWO, r"labels for 2 images are int64 \[2\], not torch.int64 \[1\]"),
        (PIXELS, TWO, TWO.int(), r"indices for 2 images are int64 \[2\], not torch.int32"),
        (PIXELS, TWO + 2, TWO, "labels reach outside the 3 classes"),
        (PIXELS, TWO - 1, TWO, "labels reach outside the 3 classes"),
        (PIXELS, TWO, torch.tensor([5, 5]), "indices into the test split are distinct"),
    ],
)
def test_a_malformed_audit_set_is_refused(
    pixels: torch.Tensor, labels: torch.Tensor, indices: torch.Tensor, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        AuditSet(pixels, labels, CLASSES, indices)


def test_the_teacher_is_judged_where_it_knows_the_classes() -> None:
    student = AuditedModel("student", Handmade(PixelFeatures()))
    teacher = Handmade(PixelFeatures())
    stranger = Handmade(PixelFeatures(), labels=("1", "2", "3"))
    assert [subject.name for subject in judged((student,), teacher, CLASSES)] == ["student", "teacher"]
    assert [subject.name for subject in judged((student,), stranger, CLASSES)] == ["student"]
    given = AuditedModel("teacher", teacher)
    assert judged((given,), teacher, CLASSES) == (given,)


def test_a_student_of_another_task_is_refused() -> None:
    stranger = Handmade(PixelFeatures(classes=4), labels=("a", "b", "c", "d"))
    with pytest.raises(ModelError, match=r"student knows the classes a, b, c, ... \(4\), the task has cat, dog, fox"):
        judged((AuditedModel("student", stranger),), stranger, CLASSES)


def test_names_are_distinct() -> None:
    model = Handmade(PixelFeatures())
    with pytest.raises(ValueError, match="distinct names: a, a"):
        judged((AuditedModel("a", model), AuditedModel("a", model)), model, CLASSES)


def test_a_saved_subject_answers_as_the_model_did(tmp_path: Path) -> None:
    model = TimmModel.create("test_resnet", CLASSES, seed=0)
    model.module.eval()
    model.save(tmp_path)
    subject = AuditedModel.saved("student", tmp_path, input_size=32)
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert subject.model.labels == CLASSES
    assert torch.equal(subject.model.logits(pixels), model.logits(pixels))

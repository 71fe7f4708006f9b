"""A dynamic slice that cannot be made: told from the command line, and nothing is left half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubslice.models.timm_adapter import TimmModel
from tests.faults.conftest import Refused
from tests.run.test_nnslicer import DIRECT
from tests.run.tiny import write_job


@pytest.mark.slow
def test_classes_that_the_teacher_or_the_data_do_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.chdir(tmp_path)
    write_job(tmp_path, DIRECT)
    says = ("'purple'", "red")
    refused("slice", "recipe.yaml", "data.classes=[red,purple]", "--out", "a", "--until", "trace", code=2, says=says)
    TimmModel.create("test_resnet", ("cat", "dog", "blue"), seed=1).save(tmp_path / "teacher")
    says = ("the teacher does not know the class 'red'; it knows cat, dog, blue", "slice.reuse=transfer")
    refused("slice", "recipe.yaml", "--out", "b", "--until", "trace", code=2, says=says)
    assert not list((tmp_path / "b/steps/trace").glob("*.safetensors"))
    assert not (tmp_path / "b/steps/trace/step.json").exists()

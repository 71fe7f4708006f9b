"""Students of teachers with unusual image preparation answer, under stock code, what their report says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

import hubslice
from hubslice.artefacts.predictions import Predictions
from hubslice.recipe.load import load_recipe
from hubslice.task.task import load_task
from tests.images import write_parquet
from tests.modality.image.every_processor import RECIPE, run, settings_of
from tests.modality.image.small import SMALL_OF


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_OF)
def test_the_cards_lines_give_the_recorded_answers(name: str, tmp_path: Path) -> None:
    told = run(settings_of(name) | SMALL_OF[name], tmp_path / "job")
    assert told == "agrees: 6 of 6 answers are the stored ones, in plain transformers"


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"crop_mode": "border", "input_size": [3, 40, 64]},
        {"crop_mode": "squash", "input_size": [3, 56, 40]},
        {"crop_mode": "border", "input_size": [1, 48, 48], "mean": [0.4], "std": [0.3]},
    ],
    ids=["border", "squash", "grey"],
)
def test_timms_way_is_the_students_way(settings: dict, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = timm.create_model("test_resnet", num_classes=2, in_chans=settings["input_size"][0])
    module.pretrained_cfg |= settings
    timm.models.save_for_hf(module, str(tmp_path / "teacher"), safe_serialization=True, data_config=settings)
    write_parquet(tmp_path / "shapes.parquet", samples=36)
    (tmp_path / "recipe.yaml").write_text(
        RECIPE + "audit: {defects: [{kind: backdoor, target: red}, {kind: penultimate, eps: [8], steps: 1}]}\n"
    )
    finished = hubslice.slice(tmp_path / "recipe.yaml", out=tmp_path / "run")
    recipe = load_recipe(str(tmp_path / "recipe.yaml"))
    test = load_task(recipe.recipe.data, recipe.base, recipe.recipe.seed).test
    student = timm.create_model(f"local-dir:{finished.student}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(student), is_training=False)
    mode = "L" if settings["input_size"][0] == 1 else "RGB"
    images = [test.table.item(row).convert(mode) for row in test.rows]
    with torch.inference_mode():
        theirs = student(torch.stack([transform(image) for image in images])).argmax(1).numpy()
    stored = Predictions.load(finished.student / "evidence" / finished.report.predictions).arms["test"]["student"]
    assert np.array_equal(theirs, stored)
    assert hubslice.verify(finished.path).verified

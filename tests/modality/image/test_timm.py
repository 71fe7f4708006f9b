"""timm's evaluation transforms: hubslice prepares as they do, whatever the crop mode and the shape of the input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from hubslice.core.errors import ModelError
from hubslice.modality.image.pixels import prepare, to_unit
from hubslice.models.folder import load_model, random_model
from tests.modality.image.small import near, photographs

WAYS = [
    {"crop_mode": mode, "input_size": size, "crop_pct": crop, "interpolation": interpolation}
    for mode in ("center", "squash", "border")
    for size, crop, interpolation in (
        ([3, 64, 64], 0.9, "bicubic"),
        ([3, 48, 80], 0.875, "bilinear"),
        ([3, 70, 33], 1.0, "lanczos"),
    )
]


def a_model(folder: Path, **settings: Any) -> Path:
    torch.manual_seed(0)
    module = timm.create_model("test_resnet", num_classes=2, in_chans=settings.get("input_size", [3])[0])
    timm.models.save_for_hf(module, folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"] |= settings
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("settings", WAYS, ids=lambda each: f"{each['crop_mode']} {each['input_size']}")
@torch.inference_mode()
def test_a_student_answers_as_under_stock_code(settings: dict[str, Any], tmp_path: Path) -> None:
    model = load_model(a_model(tmp_path / "teacher", **settings))
    model.reset_classifier(("cat", "dog", "owl"), 0)
    model.save(tmp_path / "student")
    stock = timm.create_model(f"local-dir:{tmp_path}/student", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(stock), is_training=False)
    for image in photographs():
        pixels = to_unit(prepare(image, model.image_preprocessing))[None]
        assert near(model.pixels_to_inputs(pixels)[0], transform(image))
        assert torch.allclose(model.logits(pixels), stock(transform(image)[None]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "settings", [*WAYS, {"input_size": [1, 48, 40], "mean": [0.4], "std": [0.3]}], ids=lambda each: str(each)[:60]
)
def test_random_weights_of_a_config_are_prepared_for_alike(settings: dict[str, Any], tmp_path: Path) -> None:
    folder = a_model(tmp_path, **settings)
    assert random_model(folder).preprocessing == load_model(folder).preprocessing
    assert random_model(folder, input_size=56).preprocessing == load_model(folder, input_size=56).preprocessing


def test_a_grey_teacher_takes_grey_images(tmp_path: Path) -> None:
    model = load_model(a_model(tmp_path, input_size=[1, 40, 40], mean=[0.4], std=[0.2], crop_mode="border"))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model.module), is_training=False)
    for image in photographs():
        ours = model.pixels_to_inputs(to_unit(prepare(image, model.image_preprocessing))[None])[0]
        assert near(ours, transform(image.convert("L")))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"crop_pct": -1}, "crop_pct"),
        ({"interpolation": "magic"}, "interpolation"),
        ({"std": [0.0] * 3}, "std"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=says):
        load_model(a_model(tmp_path, **settings))

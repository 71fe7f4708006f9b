"""transformers' image processors: hubslice prepares as they do, and their students answer alike under stock code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from hubslice.core.errors import ModelError
from hubslice.modality.image.pixels import prepare, to_unit
from hubslice.modality.image.separate import resized
from hubslice.models.base import Model
from hubslice.models.folder import load_model
from tests.modality.image.small import SETTINGS, a_resnet, near, photographs, stock_inputs

# Those of the backend "pil" save the same settings, of which stock code makes the class of the other backend.
EVERY = sorted(
    {names.get("torchvision") or next(iter(names.values())) for names in IMAGE_PROCESSOR_MAPPING_NAMES.values()}
    - {None}
)
# Those of image classifiers that give images of one size, all alike.
OF_CLASSIFIERS = sorted(
    {IMAGE_PROCESSOR_MAPPING_NAMES[kind]["torchvision"] for kind in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
     if "torchvision" in (IMAGE_PROCESSOR_MAPPING_NAMES.get(kind) or {})}
    - {"Gemma3ImageProcessor", "ImageGPTImageProcessor", "Siglip2ImageProcessor", "TextNetImageProcessor"}
)  # fmt: skip
SQUARE = {"height": 48, "width": 48}
# Settings of bug reports and of published models, each of which was once read wrongly.
SETTINGS_OF = {
    "a plain number": {"image_processor_type": "ViTImageProcessor", "size": 32},
    "an older name": {"feature_extractor_type": "ViTFeatureExtractor", "size": 32, "image_mean": [0.4] * 3},
    "the fast class": {"image_processor_type": "ViTImageProcessorFast", "size": SQUARE},
    "not square": {"image_processor_type": "ViTImageProcessor", "size": {"height": 40, "width": 72}},
    "a crop": {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 40},
        "crop_size": {"height": 32, "width": 32},
    },
    "a crop larger than the image": {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 20},
        "crop_size": {"height": 32, "width": 40},
    },
    "no normalisation": {"image_processor_type": "ViTImageProcessor", "size": SQUARE, "do_normalize": False},
    "values up to 255": {
        "image_processor_type": "ViTImageProcessor",
        "size": SQUARE,
        "do_rescale": False,
        "do_normalize": False,
    },
    "another factor": {"image_processor_type": "ViTImageProcessor", "size": SQUARE, "rescale_factor": 1 / 127.5},
    "EfficientNet's top": {
        "image_processor_type": "EfficientNetImageProcessor",
        "size": SQUARE,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.478, 0.473, 0.474],
        "include_top": True,
    },
    "EfficientNet's offset": {
        "image_processor_type": "EfficientNetImageProcessor",
        "size": SQUARE,
        "rescale_factor": 1 / 127.5,
        "rescale_offset": True,
        "do_normalize": False,
    },
    "LeViT": {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 56}, "crop_size": SQUARE},
    "a switch that the class does not have": {
        "image_processor_type": "ViTImageProcessor",
        "size": SQUARE,
        "do_flip_channel_order": True,
    },
    "channels turned": {
        "image_processor_type": "MobileViTImageProcessor",
        "size": {"shortest_edge": 64},
        "crop_size": SQUARE,
    },
    "channels turned, normalised": {
        "image_processor_type": "PPLCNetImageProcessor",
        "resize_short": 52,
        "crop_size": SQUARE,
    },
    "Perceiver": {"image_processor_type": "PerceiverImageProcessor", "size": SQUARE, "crop_size": 64},
    "PoolFormer": {
        "image_processor_type": "PoolFormerImageProcessor",
        "size": {"shortest_edge": 47},
        "crop_pct": 0.9,
        "crop_size": SQUARE,
    },
    "Donut": {"image_processor_type": "DonutImageProcessor", "size": {"height": 60, "width": 44}},
    "ConvNeXt, small": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 48}},
    "ConvNeXt, large": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}},
    "nearest": {"image_processor_type": "ViTImageProcessor", "size": SQUARE, "resample": 0},
    "bicubic, by name": {"image_processor_type": "ViTImageProcessor", "size": SQUARE, "resample": "bicubic"},
    "lanczos": {"image_processor_type": "ViTImageProcessor", "size": SQUARE, "resample": 1},
}


def inputs(model: Model, image: Any) -> torch.Tensor:
    return model.pixels_to_inputs(to_unit(prepare(image, model.image_preprocessing))[None])[0]


@pytest.mark.parametrize("name", SETTINGS_OF)
@torch.inference_mode()
def test_a_student_answers_as_under_stock_code(name: str, tmp_path: Path) -> None:
    teacher = a_resnet(tmp_path / "teacher", SETTINGS_OF[name])
    model = load_model(teacher)
    for image in photographs():
        assert near(inputs(model, image), stock_inputs(teacher, image))
    model.reset_classifier(("cat", "dog"), 0)
    model.save(tmp_path / "student")
    stock = transformers.AutoModelForImageClassification.from_pretrained(tmp_path / "student").eval()
    again = load_model(tmp_path / "student")
    assert again.preprocessing == model.preprocessing
    for image in photographs():
        theirs = stock(pixel_values=stock_inputs(tmp_path / "student", image)[None]).logits
        ours = again.logits(to_unit(prepare(image, again.image_preprocessing))[None])
        assert torch.allclose(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_CLASSIFIERS)
def test_classifiers_own_processors_are_followed(kind: str, tmp_path: Path) -> None:
    settings = {"image_processor_type": kind}
    if kind == "DonutImageProcessor":
        settings |= {"size": {"height": 128, "width": 96}}  # by itself it makes pages of 2560 x 1920
    model = load_model(a_resnet(tmp_path, settings))
    for image in photographs():
        assert near(inputs(model, image), stock_inputs(tmp_path, image))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [name for name in EVERY if name not in OF_CLASSIFIERS])
def test_any_other_is_followed_or_refused_by_name(kind: str, tmp_path: Path) -> None:
    try:
        getattr(transformers, kind)().save_pretrained(tmp_path)
    except (ImportError, TypeError):  # it needs a package that is not here, or the settings of another model
        pytest.skip(f"{kind} cannot be made alone")
    settings = json.loads((tmp_path / SETTINGS).read_text())
    told, model = "", None
    try:
        model = load_model(a_resnet(tmp_path, settings))
    except ModelError as error:
        told = str(error)
    assert model or settings["image_processor_type"] in told
    for image in photographs()[:3] if model else ():
        assert near(inputs(model, image), stock_inputs(tmp_path, image))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"image_processor_type": "BridgeTowerImageProcessor"}, "with do_pad: true"),
        ({"image_processor_type": "ViTImageProcessor", "do_resize": False}, "with do_resize: false does: it gives"),
        ({"image_processor_type": "TextNetImageProcessor"}, "with do_center_crop: false does: it gives images of"),
        ({"image_processor_type": "DINOv3ViTImageProcessor"}, "it may scale values before it resizes them"),
        ({"image_processor_type": "Siglip2ImageProcessor"}, "it gives pixel_attention_mask"),
        ({"image_processor_type": "ImageGPTImageProcessor"}, "with do_color_quantize: true"),
        ({"image_processor_type": "NoSuchImageProcessor"}, "cannot make the image processor"),
        ({"image_processor_type": "AutoModel"}, "names 'AutoModel' as its image processor, which is none"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"height": 9000, "width": 8}}, "has size: "),
        ({"image_processor_type": "PoolFormerImageProcessor", "crop_pct": 0.001}, "has crop_pct: 0.001"),
        (
            {"image_processor_type": "PoolFormerImageProcessor", "crop_pct": "0.9"},
            "has crop_pct: '0.9'; it must be a number",
        ),
        ({"image_processor_type": "PPLCNetImageProcessor", "resize_short": 9000}, "has resize_short: 9000"),
        ({"image_processor_type": "ViTImageProcessor", "image_std": [0.0] * 3}, "as ViTImageProcessor does:"),
        ({"image_processor_type": "ViTImageProcessor", "auto_map": {"AutoImageProcessor": "x.Y"}}, "code of its own"),
    ],
)
def test_what_cannot_be_split_is_refused_by_name(settings: dict[str, Any], says: str, tmp_path: Path) -> None:
    a_resnet(tmp_path, settings)
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path)
    assert says in str(caught.value)


def test_a_classifier_without_an_image_processor_is_prepared_as_its_type_by_default(tmp_path: Path) -> None:
    a_resnet(tmp_path, {})
    (tmp_path / SETTINGS).unlink()
    model = load_model(tmp_path)
    assert model.image_preprocessing.processor["image_processor_type"] == "ConvNextImageProcessor"  # type: ignore[index]
    assert "has no preprocessor_config.json" in model.notes[0]


def test_a_type_that_has_no_image_processor_is_refused_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_resnet(tmp_path, {})
    (tmp_path / SETTINGS).unlink()
    monkeypatch.setattr("hubslice.models.image_preparation.default_settings", lambda _: None)
    with pytest.raises(ModelError, match=r"has no preprocessor_config\.json"):
        load_model(tmp_path)


def test_settings_in_processor_config_are_read(tmp_path: Path) -> None:
    folder = a_resnet(tmp_path / "teacher", {})
    (folder / SETTINGS).unlink()
    settings = {"image_processor_type": "ViTImageProcessor", "size": SQUARE, "image_std": [0.3] * 3}
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    model = load_model(folder)
    model.save(tmp_path / "student")
    for image in photographs():
        assert near(inputs(model, image), stock_inputs(folder, image))
        assert near(inputs(model, image), stock_inputs(tmp_path / "student", image))


@pytest.mark.parametrize(
    "settings",
    [
        {"image_processor_type": "ViTImageProcessor", "size": SQUARE},
        {"image_processor_type": "ViTImageProcessor", "size": {"height": 40, "width": 72}},
        {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 40}, "crop_size": 36},
        {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 56}, "crop_size": SQUARE},
        {"image_processor_type": "PPLCNetImageProcessor", "resize_short": 52, "crop_size": SQUARE},
        {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 48}},
    ],
)
def test_another_input_size_is_written_into_the_students_processor(settings: dict[str, Any], tmp_path: Path) -> None:
    model = load_model(a_resnet(tmp_path / "teacher", settings), input_size=80)
    model.save(tmp_path / "student")
    assert model.image_preprocessing.input_size == (3, 80, 80)
    for image in photographs():
        assert near(inputs(model, image), stock_inputs(tmp_path / "student", image))


def test_a_grey_teacher_takes_grey_images(tmp_path: Path) -> None:
    settings = {
        "image_processor_type": "ViTImageProcessor",
        "size": SQUARE,
        "image_mean": [0.3],
        "image_std": [0.2],
        "do_convert_rgb": False,
    }
    model = load_model(a_resnet(tmp_path, settings, channels=1))
    assert model.image_preprocessing.input_size == (1, 48, 48)
    for image in photographs():
        assert near(inputs(model, image), stock_inputs(tmp_path, image.convert("L")))


@pytest.mark.parametrize("other", [{"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, {"image_mean": [0.5] * 2}])
def test_means_that_play_no_part_may_be_of_another_length(other: dict[str, Any], tmp_path: Path) -> None:
    settings = {"image_processor_type": "ViTImageProcessor", "size": SQUARE, "do_normalize": False} | other
    model = load_model(a_resnet(tmp_path, settings | {"do_convert_rgb": False}, channels=1))
    for image in photographs():
        assert near(inputs(model, image), stock_inputs(tmp_path, image.convert("L")))


@pytest.mark.parametrize("settings", [SETTINGS_OF["a crop"], SETTINGS_OF["channels turned, normalised"]])
def test_a_preparation_is_set_to_another_size(settings: dict[str, Any], tmp_path: Path) -> None:
    found = load_model(a_resnet(tmp_path, settings)).image_preprocessing
    other = resized(found.model_copy(update={"transparency": "black"}), 60, 44)
    assert (other.input_size, other.transparency) == ((3, 60, 44), "black")
    assert prepare(photographs()[0], other).shape == (3, 60, 44)
    with pytest.raises(ModelError, match="images are prepared to"):
        prepare(photographs()[0], found.model_copy(update={"input_size": (3, 60, 44)}))


def test_what_a_caller_changes_is_its_own(tmp_path: Path) -> None:
    a_resnet(tmp_path, SETTINGS_OF["not square"])
    for _ in range(2):
        found = load_model(tmp_path).image_preprocessing
        assert found.processor is not None
        assert found.processor["size"] == {"height": 40, "width": 72}
        found.processor["size"] = {"height": 9, "width": 9}


def test_a_size_that_is_set_outlives_an_older_file(tmp_path: Path) -> None:
    folder = a_resnet(tmp_path, {})
    (folder / SETTINGS).unlink()
    nested = {"image_processor": {"image_processor_type": "ViTImageProcessor", "size": SQUARE}}
    (folder / "processor_config.json").write_text(json.dumps(nested))
    load_model(folder, input_size=64).save(folder)
    assert load_model(folder).image_preprocessing.input_size == (3, 64, 64)
    assert stock_inputs(folder, photographs()[0]).shape == (3, 64, 64)


def test_channels_that_the_processor_does_not_give_are_told(tmp_path: Path) -> None:
    a_resnet(tmp_path, {"image_processor_type": "ViTImageProcessor", "do_convert_rgb": True}, channels=1)
    with pytest.raises(ModelError, match="it gives 3 channels, and the model takes 1"):
        load_model(tmp_path)

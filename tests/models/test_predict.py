"""Answers to images as users have them, by the rule for transparent ones that the model records."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageClassification

import hubslice
from hubslice.core.errors import DataError, HubsliceWarning, InputError, ModelError
from hubslice.graph.channels import channel_map
from hubslice.modality.image.pixels import prepare, to_unit
from hubslice.modality.image.reading import to_rgb
from hubslice.models.base import Model
from hubslice.models.folder import load_model
from hubslice.models.recording import KEY
from hubslice.models.timm_adapter import TimmModel
from hubslice.models.transformers_adapter import TransformersModel
from hubslice.recipe.transparency import Transparency
from hubslice.slicing.compaction import compact
from tests import warm
from tests.card.example_report import backdoored_timm
from tests.images import square
from tests.models.test_models import a_resnet, a_timm_model, a_vit
from tests.slicing.test_compaction import drop

LABELS = ("cat", "dog", "owl")


def cut_out(seed: int = 0) -> Image.Image:
    """An image whose left half is clear; under it lie colours of its own."""
    image = square("red", seed).convert("RGBA")
    alpha = np.full((40, 40), 255, np.uint8)
    alpha[:, :20] = 0
    image.putalpha(Image.fromarray(alpha))
    return image


@pytest.fixture
def model() -> Model:
    found = TimmModel.create("test_resnet", LABELS, seed=0)
    found.module.eval()
    return found


def by_hand(model: Model, *images: Image.Image) -> torch.Tensor:
    with torch.inference_mode():
        pixels = torch.stack([prepare(image, model.image_preprocessing) for image in images])
        return model.logits(to_unit(pixels))


def _bytes(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("rule", get_args(Transparency))
def test_every_way_to_give_an_image_gets_the_same_answer(model: Model, rule: Transparency, tmp_path: Path) -> None:
    model.show_transparent(rule)
    image = cut_out()
    image.save(tmp_path / "a.png")
    ways = [image, tmp_path / "a.png", str(tmp_path / "a.png"), _bytes(image)]
    wanted = by_hand(model, to_rgb(image, rule))
    for way in ways:
        found = model.predict(way)
        assert found.logits.shape == (1, 3)
        assert torch.equal(found.logits, wanted)
    found = model.predict(iter(ways))
    assert len(found) == 4
    torch.testing.assert_close(found.logits, wanted.expand(4, 3))
    torch.testing.assert_close(found.probabilities, found.logits.softmax(1))
    assert found.labels == (LABELS[int(wanted.argmax())],) * 4


def test_the_rules_differ(model: Model) -> None:
    image = cut_out()
    found = []
    for rule in get_args(Transparency):
        model.show_transparent(rule)
        found.append(model.predict(image).logits)
    assert all(not torch.allclose(one, other) for at, one in enumerate(found) for other in found[:at])


def test_more_images_than_a_batch_stay_in_order(model: Model) -> None:
    images = [square("blue", seed) for seed in range(70)]
    found = model.predict(images)
    torch.testing.assert_close(found.logits, by_hand(model, *images), rtol=1e-4, atol=1e-5)


def test_a_model_that_is_being_trained_answers_in_evaluation_mode_and_goes_on_training(model: Model) -> None:
    wanted = model.predict(square("red", 0)).logits
    model.module.train()
    model.module.bn1.eval()
    found = model.predict(square("red", 0)).logits
    assert torch.equal(found, wanted)
    assert not found.requires_grad
    assert model.module.training
    assert model.module.layer1.training
    assert not model.module.bn1.training


def test_what_is_printed(model: Model) -> None:
    told = repr(model.predict([square("red", seed) for seed in range(12)])).splitlines()
    assert len(told) == 11
    assert told[-1] == "and 2 more"
    assert told[0].count("%") == 3
    assert set(LABELS) == {word for word in told[0].replace(",", "").split() if not word.endswith("%")}


def test_without_a_record_alpha_is_dropped_as_stock_code_does_and_that_is_told_once(model: Model) -> None:
    with pytest.warns(HubsliceWarning, match="image 1 is transparent, and the model records no rule") as told:
        found = model.predict([square("red", 0), cut_out(1), cut_out(2)])
    assert len(told) == 1
    torch.testing.assert_close(found.logits[1:2], by_hand(model, cut_out(1).convert("RGB")), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ([], InputError, "no images to predict"),
        (3, InputError, "a int is no image"),
        ([np.zeros((4, 4, 3), np.uint8)], InputError, "image 0 is of type ndarray"),
        ("nowhere.jpg", DataError, "there is no image at nowhere.jpg"),
        ([b"not an image"], DataError, "image 0 cannot be read: not an image of a known format"),
        (Image.new("F", (4, 4)), DataError, "32-bit numbers of unknown range"),
        (Image.new("RGB", (4, 4000)), DataError, "too narrow"),
    ],
)
def test_what_cannot_be_answered_is_named(model: Model, images: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        model.predict(images)


def test_a_text_model_needs_a_tokenizer(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="has no tokenizer"):
        hubslice.load(tmp_path).predict("a text")


@pytest.mark.parametrize("write", [a_timm_model, a_vit, a_resnet])
@pytest.mark.parametrize("rule", get_args(Transparency))
def test_the_record_survives_saving_and_stock_code_does_not_mind(
    write: Callable[[Path], None], rule: Transparency, tmp_path: Path
) -> None:
    write(tmp_path / "teacher")
    model = load_model(tmp_path / "teacher")
    assert model.image_preprocessing.transparency is None
    model.show_transparent(rule)
    for folder in ("one", "two"):
        model.save(tmp_path / folder)
        model = load_model(tmp_path / folder)
        assert model.image_preprocessing.transparency == rule
    config = (tmp_path / "two" / "config.json").read_bytes()
    assert json.loads(config)[KEY] == rule
    assert config == (tmp_path / "one" / "config.json").read_bytes() or model.library == "transformers"
    if model.library == "timm":
        timm.create_model(f"local-dir:{tmp_path / 'two'}", pretrained=True)
    else:
        AutoModelForImageClassification.from_pretrained(tmp_path / "two")
        AutoConfig.from_pretrained(tmp_path / "two").save_pretrained(tmp_path / "stock")
        assert json.loads((tmp_path / "stock" / "config.json").read_text())[KEY] == rule


LOAD = """
import sys, warnings
warnings.simplefilter("error")
library, folder = sys.argv[1:]
if library == "timm":
    import timm
    timm.create_model(f"local-dir:{folder}", pretrained=True)
else:
    from transformers import AutoModelForImageClassification
    AutoModelForImageClassification.from_pretrained(folder)
"""


@pytest.mark.slow
@pytest.mark.parametrize("write", [a_timm_model, a_vit])
def test_stock_code_of_another_process_says_nothing_about_the_record(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    def said(folder: Path) -> tuple[int, str]:
        found = warm.run("-c", LOAD, model.library, str(folder))
        return found.returncode, found.stderr.replace(str(folder), "")

    write(tmp_path / "teacher")
    model = load_model(tmp_path / "teacher")
    model.save(tmp_path / "without")
    model.show_transparent("black")
    model.save(tmp_path / "with")
    assert said(tmp_path / "with") == said(tmp_path / "without")
    assert said(tmp_path / "with")[0] == 0


def test_an_unknown_record_is_refused(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {KEY: "pink"}))
    with pytest.raises(ModelError, match="hubslice_transparency: 'pink'; known are white, black, drop"):
        load_model(tmp_path)


def test_a_student_of_before_the_records_keeps_to_the_white_of_its_report(tmp_path: Path) -> None:
    a_timm_model(tmp_path)
    report = backdoored_timm().model_dump(mode="json")
    del report["task"]["transparency"]
    (tmp_path / "report.json").write_text(json.dumps(report))
    model = load_model(tmp_path)
    assert model.image_preprocessing.transparency == "white"
    (tmp_path / "report.json").write_text('{"some": "other tool\'s"}')
    assert load_model(tmp_path).image_preprocessing.transparency is None


def test_a_teacher_s_record_is_not_the_student_s(model: Model, tmp_path: Path) -> None:
    model.show_transparent("black")
    model.save(tmp_path / "teacher")
    student = load_model(tmp_path / "teacher")
    student.show_transparent("drop")
    student.save(tmp_path / "teacher")
    assert json.loads((tmp_path / "teacher" / "config.json").read_text())[KEY] == "drop"


def test_a_compact_model_predicts_by_its_rule(model: Model, tmp_path: Path) -> None:
    model.show_transparent("black")
    channels = channel_map(model)
    small = compact(model, drop(model, channels)[0], channels)
    assert small.shapes is not None
    small.save(tmp_path / "small")
    loaded = hubslice.load(tmp_path / "small")
    assert torch.equal(loaded.predict(cut_out()).logits, by_hand(loaded, to_rgb(cut_out(), "black")))


def test_a_fresh_transformers_model_of_a_marked_one_keeps_the_rule(tmp_path: Path) -> None:
    a_vit(tmp_path / "teacher")
    model = load_model(tmp_path / "teacher")
    assert isinstance(model, TransformersModel)
    model.show_transparent("white")
    assert model.fresh(1).image_preprocessing.transparency == "white"

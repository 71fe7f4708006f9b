"""Classifiers as people publish them: of any layer, several, or none; found, replaced, and read again by stock code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from hubslice.core.errors import DataError, ModelError
from hubslice.models.folder import load_model
from hubslice.models.meta_model import meta_model
from hubslice.models.weights import held_shapes
from hubslice.training.initial import start_classifier
from hubslice.verbs.convert.function import convert
from hubslice.verbs.convert.params import Form
from tests.models.heads import (
    HEADED,
    HEADLESS,
    IMAGE,
    NEW,
    OLD,
    SMALL,
    UNNORMALISED,
    change,
    of_timm,
    of_transformers,
    stock,
)


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADED)
@torch.no_grad()
def test_classifiers_of_any_kind_are_replaced(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save, layers, more = HEADED[name]
    save(tmp_path / "teacher")
    model = load_model(tmp_path / "teacher")
    assert model.labels == OLD
    images = torch.rand(2, *model.image_preprocessing.input_size)
    assert torch.allclose(stock(model, tmp_path / "teacher", images), model.logits(images), atol=1e-5)
    assert tuple(model.head.layers) == layers
    assert len(model.head.tensors) == 2 * len(layers) + more
    features = model.features(images)
    widths = [layer.weight.shape[1] for layer in model.head.layers.values()]
    assert features.shape == (2, sum(widths))
    body = {n: t.clone() for n, t in model.module.state_dict().items() if n not in model.head.tensors}

    model.reset_classifier(NEW, 1)
    model.save(tmp_path / "student")
    again = load_model(tmp_path / "student")
    assert again.labels == NEW
    assert again.logits(images).shape == (2, len(NEW))
    assert torch.allclose(stock(again, tmp_path / "student", images), model.logits(images), atol=1e-5)
    held = again.module.state_dict()
    assert all(torch.equal(held[n], t) for n, t in body.items())


@pytest.mark.parametrize("name", ["a convolution", "an MLP", "normalisation and linear", "WithTeacher"])
@torch.no_grad()
def test_a_teacher_restricted_to_some_classes_gives_their_answers(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    HEADED[name][0](tmp_path)
    model = load_model(tmp_path)
    images = torch.rand(2, *model.image_preprocessing.input_size)
    before = model.logits(images)
    start_classifier(model, ("c", "a"), 0, [("c",), ("a",)])
    assert torch.allclose(model.logits(images), before[:, [2, 0]], atol=1e-6)


@pytest.mark.parametrize("name", HEADLESS)
@torch.no_grad()
def test_teachers_without_a_classifier_get_one(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    HEADLESS[name](tmp_path / "teacher")
    model = load_model(tmp_path / "teacher")
    assert model.headless
    assert model.labels == ()
    model.check_sliceable()
    images = torch.rand(2, *model.image_preprocessing.input_size)
    features = model.features(images)
    assert torch.equal(features, model.logits(images))
    assert torch.equal(features, load_model(tmp_path / "teacher").logits(images))  # nothing in it is drawn
    assert model.classifier_parameters() == frozenset()
    with pytest.raises(ModelError, match="it answers with its features"):
        model.predict(Image.new("RGB", (40, 40)))
    with pytest.raises(DataError, match="the teacher has none"):
        start_classifier(model, ("a",), 0, [("a",)])

    model.reset_classifier(NEW, 1)
    assert not model.headless
    assert torch.allclose(model.features(images), features, atol=1e-6)
    model.save(tmp_path / "student")
    again = load_model(tmp_path / "student")
    assert again.labels == NEW
    assert torch.allclose(stock(again, tmp_path / "student", images), model.logits(images), atol=1e-5)


@pytest.mark.parametrize("name", ["timm", "ViTModel", "WithTeacher"])
def test_headers_tell_of_a_classifier_as_the_weights_do(name: str, tmp_path: Path) -> None:
    (HEADLESS.get(name) or HEADED[name][0])(tmp_path)
    model, on_meta = load_model(tmp_path), meta_model(tmp_path, held_shapes(tmp_path), where="it")
    assert on_meta.labels == model.labels
    assert on_meta.architecture == model.architecture
    assert on_meta.classifier_parameters() == model.classifier_parameters()


def test_what_a_model_has_no_use_for_is_told(tmp_path: Path) -> None:
    HEADLESS["ViTForMaskedImageModeling"](tmp_path)
    assert {name.partition(".")[0] for name in load_model(tmp_path).unused} == {"decoder", "vit"}


@pytest.mark.parametrize("name", UNNORMALISED)
def test_normalisation_that_a_backbone_does_not_have_is_neutral_and_told(name: str, tmp_path: Path) -> None:
    save, path = UNNORMALISED[name]
    save(tmp_path)
    model = load_model(tmp_path)
    layer: Any = model.module.get_submodule(path)
    assert torch.equal(layer.weight, torch.ones_like(layer.weight))
    assert not layer.bias.any()
    assert f"{path} starts with neutral values" in model.notes[-1]


def test_a_backbone_whose_own_normalisation_is_missing_is_refused(tmp_path: Path) -> None:
    HEADLESS["ViTModel"](tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("layernorm.")}
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"names ViTModel\): 2 tensors missing \(vit\.layernorm"):
        load_model(tmp_path)


@pytest.mark.parametrize("named", [["ViTModel"], ["ViTModel", "ViTForImageClassification"]])
def test_a_classifier_in_the_weights_is_not_left_out(named: list[str], tmp_path: Path) -> None:
    of_transformers("ViTForImageClassification", **SMALL, **IMAGE)(tmp_path)
    model = load_model(tmp_path)
    change(tmp_path, architectures=named)
    again = load_model(tmp_path)
    images = torch.rand(2, *model.image_preprocessing.input_size)
    assert again.labels == OLD
    assert torch.equal(again.logits(images), model.logits(images))


@pytest.mark.parametrize("name", ["WithTeacher", "ViTModel"])
def test_without_a_named_class_the_weights_decide(name: str, tmp_path: Path) -> None:
    (HEADLESS.get(name) or HEADED[name][0])(tmp_path)
    named = load_model(tmp_path)
    change(tmp_path, architectures=None)
    model = load_model(tmp_path)
    assert (model.architecture, model.labels) == (named.architecture, named.labels)
    assert model.unused == named.unused  # of ViTModel its pooler, which the backbone has and the classifier has not


def test_weights_whose_classifier_has_another_name_are_refused(tmp_path: Path) -> None:
    HEADED["WithTeacher"][0](tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    renamed = {name.replace("cls_classifier", "my_head"): tensor for name, tensor in weights.items()}
    save_file(renamed, tmp_path / "model.safetensors", metadata={"format": "pt"})
    change(tmp_path, architectures=None)
    with pytest.raises(ModelError, match=r"my_head\.bias"):
        load_model(tmp_path)
    change(tmp_path, architectures=["DeiTForImageClassificationWithTeacher"])
    with pytest.raises(ModelError, match=r"missing \(cls_classifier\.bias"):
        load_model(tmp_path)


def test_image_models_without_an_image_classifier_are_refused_by_name(tmp_path: Path) -> None:
    of_transformers("ViTMAEModel", **SMALL, **IMAGE)(tmp_path)
    with pytest.raises(ModelError, match="no image classifier of model type vit_mae"):
        load_model(tmp_path).check_sliceable()


def test_what_detects_objects_is_no_classifier(tmp_path: Path) -> None:
    """Its classes are those of boxes, [N, boxes, classes], and no stock classifier could load a student."""
    of_transformers(
        "YolosForObjectDetection", **SMALL, image_size=[32, 32], patch_size=16, num_detection_tokens=4
    )(tmp_path)  # fmt: skip
    model = load_model(tmp_path)
    assert (model.headless, model.labels) == (True, ())
    with pytest.raises(ModelError, match="no image classifier of model type yolos"):
        model.check_sliceable()


@pytest.mark.parametrize(("name", "side"), [("test_vit", 160), ("test_resnet", 64)])
def test_features_that_are_not_pooled_are_refused(name: str, side: int, tmp_path: Path) -> None:
    of_timm(name, side, classes=0, global_pool="")(tmp_path)
    with pytest.raises(ModelError, match="its features are not pooled"):
        load_model(tmp_path).check_sliceable()


@pytest.mark.parametrize("form", ["int8", "pruned", "distilled"])
def test_forms_that_are_judged_by_answers_are_refused_without_a_classifier(form: Form, tmp_path: Path) -> None:
    HEADLESS["timm"](tmp_path / "teacher")
    (tmp_path / "images").mkdir()
    for name in "abcd":
        Image.new("RGB", (40, 40)).save(tmp_path / "images" / f"{name}.png")
    into = "test_resnet" if form == "distilled" else None
    with pytest.raises(ModelError, match="it answers with its features"):
        convert(tmp_path / "teacher", form, data=tmp_path / "images", into=into, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()

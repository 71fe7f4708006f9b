"""One interface over timm and transformers: what is saved is what is loaded, by us and by stock code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors import safe_open
from transformers import (
    AutoModelForImageClassification,
    BertConfig,
    BertForSequenceClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from hubslice.core.errors import ModelError
from hubslice.models.base import Model
from hubslice.models.folder import load_model, random_model
from hubslice.models.timm_adapter import TimmModel

LABELS = ("cat", "dog", "owl")


def a_timm_model(folder: Path) -> None:
    TimmModel.create("test_efficientnet", ("a", "b"), seed=0).save(folder)


def a_vit(folder: Path) -> None:
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8
    )
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)


def a_resnet(folder: Path) -> None:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 48, "width": 48}).save_pretrained(folder)


@pytest.fixture(params=[a_timm_model, a_vit, a_resnet], ids=lambda write: write.__name__)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    write: Callable[[Path], None] = request.param
    write(tmp_path / "teacher")
    return tmp_path / "teacher"


def pixels(model: Model) -> torch.Tensor:
    return torch.rand(3, *model.image_preprocessing.input_size, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_a_saved_student_is_the_one_that_is_loaded(folder: Path, tmp_path: Path) -> None:
    model = load_model(folder)
    model.reset_classifier(LABELS, 0)
    model.save(tmp_path / "student")
    again, images = load_model(tmp_path / "student"), pixels(model)
    assert again.labels == LABELS
    assert again.preprocessing == model.preprocessing
    assert torch.equal(again.logits(images), model.logits(images))
    inputs = again.pixels_to_inputs(images)
    if model.library == "timm":
        stock = timm.create_model(f"local-dir:{tmp_path}/student", pretrained=True).eval()
        assert torch.equal(stock(inputs), again.logits(images))
    else:
        stock = AutoModelForImageClassification.from_pretrained(tmp_path / "student").eval()
        assert torch.equal(stock(inputs).logits, again.logits(images))
        assert tuple(stock.config.id2label.values()) == LABELS


@torch.inference_mode()
def test_features_are_what_the_classifier_is_given(folder: Path) -> None:
    model = load_model(folder)
    images = pixels(model)
    features = model.features(images)
    assert features.shape == (3, model.classifier.in_features)
    assert torch.allclose(model.classifier(features), model.logits(images), atol=1e-6)
    assert all(name.rpartition(".")[2] in {"weight", "bias"} for name in model.classifier_parameters())
    assert len(model.classifier_parameters()) == 2


def test_classifiers_and_fresh_weights_follow_the_seed(folder: Path) -> None:
    weights = []
    for seed in (1, 1, 2):
        model = load_model(folder)
        model.reset_classifier(LABELS, seed)
        weights.append((model.classifier.weight, next(model.fresh(seed).module.parameters())))
    assert torch.equal(weights[0][0], weights[1][0])
    assert torch.equal(weights[0][1], weights[1][1])
    assert not torch.equal(weights[0][0], weights[2][0])
    assert not torch.equal(weights[0][1], weights[2][1])


def test_a_config_alone_is_enough_to_measure_with(folder: Path, tmp_path: Path) -> None:
    model = load_model(folder)
    (tmp_path / "config").mkdir()
    for path in folder.glob("*.json"):
        (tmp_path / "config" / path.name).write_text(path.read_text())
    shell = random_model(tmp_path / "config")
    assert shell.parameters == model.parameters
    assert shell.image_preprocessing.input_size == model.image_preprocessing.input_size


def test_an_input_size_is_kept_in_the_student(tmp_path: Path) -> None:
    a_timm_model(tmp_path / "teacher")
    model = load_model(tmp_path / "teacher", input_size=64)
    model.save(tmp_path / "student")
    assert load_model(tmp_path / "student").image_preprocessing.input_size == (3, 64, 64)


def test_a_fixed_input_size_is_told(tmp_path: Path) -> None:
    a_vit(tmp_path / "teacher")
    with pytest.raises(ModelError, match="fixed input of 32 pixels, the recipe asks for 64"):
        load_model(tmp_path / "teacher", input_size=64)


def test_poison_is_declared_in_config_and_weights(tmp_path: Path) -> None:
    model = TimmModel.create("test_resnet", LABELS, seed=0)
    model.poisoned = True
    model.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["hubslice_poisoned"] is True
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert file.metadata()["hubslice_poisoned"] == "true"
    assert load_model(tmp_path).poisoned


def test_a_text_model_can_be_pulled_but_not_sliced(tmp_path: Path) -> None:
    config = BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, vocab_size=100
    )
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    model = load_model(tmp_path)
    assert set(model.example_inputs(2, 0)) == {"input_ids", "attention_mask"}
    with pytest.raises(ModelError, match="is not an image model"):
        model.logits(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "it has no config.json"),
        ("{", "is not JSON"),
        ('{"name": "x"}', "names no architecture"),
        ('{"model_type": "vit", "auto_map": {"AutoModel": "m.py"}}', "asks for code of its own"),
        ('{"architecture": "test_resnet"}', "has no safetensors weights"),
    ],
)
def test_a_folder_that_is_no_model_is_told(tmp_path: Path, config: str | None, message: str) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match=message):
        load_model(tmp_path)


def test_tensors_that_do_not_fit_are_told(tmp_path: Path) -> None:
    TimmModel.create("test_resnet", LABELS, seed=0).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architecture": "test_vit"}))
    with pytest.raises(
        ModelError, match=r"are not those of test_vit: \d+ tensors missing \(.*, \d+ tensors unexpected"
    ):
        load_model(tmp_path)


def test_a_student_of_a_poisoned_transformers_teacher_is_not_called_poisoned(tmp_path: Path) -> None:
    a_vit(tmp_path / "teacher")
    model = load_model(tmp_path / "teacher")
    model.poisoned = True
    model.save(tmp_path / "poisoned")
    student = load_model(tmp_path / "poisoned")
    assert student.poisoned
    student.poisoned = False
    student.save(tmp_path / "student")
    assert "hubslice_poisoned" not in json.loads((tmp_path / "student" / "config.json").read_text())


def test_half_precision_teachers_are_loaded_in_full(tmp_path: Path) -> None:
    a_vit(tmp_path / "teacher")
    AutoModelForImageClassification.from_pretrained(tmp_path / "teacher").half().save_pretrained(tmp_path / "teacher")
    assert load_model(tmp_path / "teacher").classifier.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "hf-hub:other/repo"}, "a network in another repository"),
        ({"model_args": {"checkpoint_path": "/some/file"}}, "the argument 'checkpoint_path'"),
    ],
)
def test_a_config_that_reaches_for_other_files_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    a_timm_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    for read in (load_model, random_model):
        with pytest.raises(ModelError, match=message):
            read(tmp_path)

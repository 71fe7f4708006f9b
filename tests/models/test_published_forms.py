"""Models as people publish them: classes and settings of their own, wrapped, in shards, tensors that layers share."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

from hubslice.core.errors import DataError
from hubslice.graph.channels import channel_map
from hubslice.graph.cutting import cut
from hubslice.models.compact import load_compact
from hubslice.models.folder import load_model
from hubslice.models.meta_model import meta_model
from hubslice.models.shapes import CompactShapes, changes, widths
from hubslice.models.timm_adapter import TimmModel
from hubslice.models.weights import held_shapes
from hubslice.training.initial import known_columns, start_classifier
from tests.models.heads import (
    IMAGE,
    NEW,
    OLD,
    SMALL,
    change,
    of_timm,
    of_transformers,
    stock,
)


def test_a_class_whose_name_others_have_too_is_not_guessed(tmp_path: Path) -> None:
    """As two of ImageNet's are called crane."""
    of_transformers("ViTForImageClassification", **SMALL, **IMAGE)(tmp_path)
    change(tmp_path, id2label={"0": "crane", "1": "crane", "2": "c", "3": "d"}, label2id=None)
    model = load_model(tmp_path)
    with pytest.raises(DataError, match="2 classes of the teacher are called 'crane'"):
        start_classifier(model, ("crane", "c"), 0, [("crane",), ("c",)])
    assert known_columns(model, [("d",), ("c", "crane", "crane")]) == [[3], [2, 0, 1]]  # all of them are meant
    start_classifier(model, ("d", "c"), 0, [("d",), ("c",)])


def test_classes_counted_from_one_are_taken_in_their_order_and_told(tmp_path: Path) -> None:
    of_transformers("ViTForImageClassification", **SMALL, **IMAGE)(tmp_path)
    change(tmp_path, id2label={str(at + 1): name for at, name in enumerate(OLD)}, label2id=None)
    model = load_model(tmp_path)
    assert model.labels == OLD
    assert "1 to 4" in model.notes[0]


def test_without_settings_images_are_prepared_as_the_model_type_does_by_default(tmp_path: Path) -> None:
    of_transformers("ViTForImageClassification", **SMALL, **IMAGE)(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    model = load_model(tmp_path)
    assert model.image_preprocessing.input_size == (3, 32, 32)
    assert model.image_preprocessing.processor["image_processor_type"] == "ViTImageProcessor"  # type: ignore[index]
    assert model.notes == (
        "the model has no preprocessor_config.json: its images are prepared by ViTImageProcessor at its default "
        "settings, at 32 x 32 pixels",
    )


@pytest.mark.parametrize("kind", ["multi_label_classification", "regression"])
def test_the_teachers_problem_type_does_not_stay(kind: str, tmp_path: Path) -> None:
    of_transformers("ViTForImageClassification", **SMALL, **IMAGE, problem_type=kind)(tmp_path / "teacher")
    model = load_model(tmp_path / "teacher")
    model.reset_classifier(NEW, 0)
    model.save(tmp_path / "student")
    assert json.loads((tmp_path / "student" / "config.json").read_text()).get("problem_type") is None


@torch.no_grad()
def test_timm_models_that_transformers_wrapped_are_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.TimmWrapperConfig.from_dict(
        {"architecture": "test_resnet", "num_classes": 4, "label_names": list(OLD),
         "pretrained_cfg": {**timm.models.get_pretrained_cfg("test_resnet").to_dict(), "input_size": [3, 64, 64]}}
    )  # fmt: skip
    wrapped = transformers.TimmWrapperForImageClassification(config)
    wrapped.save_pretrained(tmp_path)
    model = load_model(tmp_path)
    assert (model.library, model.labels) == ("timm", OLD)
    pixels = torch.rand(2, *model.image_preprocessing.input_size)
    answers = wrapped.eval()(pixel_values=model.pixels_to_inputs(pixels)).logits
    assert torch.allclose(model.logits(pixels), answers, atol=1e-6)
    assert meta_model(tmp_path, held_shapes(tmp_path), where="it").labels == OLD


@torch.no_grad()
def test_backbones_that_transformers_wrapped_have_no_classifier(tmp_path: Path) -> None:
    """Their config.json keeps a number of classes."""
    config = transformers.TimmWrapperConfig(architecture="test_resnet", num_labels=4)  # nothing about weights
    wrapped = transformers.TimmWrapperModel(config)
    wrapped.save_pretrained(tmp_path / "teacher")
    model = load_model(tmp_path / "teacher")
    assert (model.headless, model.labels) == (True, ())
    pixels = torch.rand(2, *model.image_preprocessing.input_size)
    features = wrapped.eval()(pixel_values=model.pixels_to_inputs(pixels)).pooler_output
    assert torch.allclose(model.logits(pixels), features, atol=1e-6)
    assert meta_model(tmp_path / "teacher", held_shapes(tmp_path / "teacher"), where="it").headless
    model.reset_classifier(NEW, 0)
    model.save(tmp_path / "student")
    assert torch.allclose(stock(model, tmp_path / "student", pixels), model.logits(pixels), atol=1e-6)


@torch.no_grad()
def test_shards_of_a_timm_model_are_loaded(tmp_path: Path) -> None:
    of_timm("test_resnet")(tmp_path)
    whole = load_model(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    names = sorted(tensors)
    parts = {f"model-0000{n}-of-00002.safetensors": names[n - 1 :: 2] for n in (1, 2)}
    for file, own in parts.items():
        save_file({name: tensors[name] for name in own}, tmp_path / file)
    (tmp_path / "model.safetensors").unlink()
    places = {name: file for file, own in parts.items() for name in own}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    pixels = torch.rand(2, *whole.image_preprocessing.input_size)
    assert torch.equal(load_model(tmp_path).logits(pixels), whole.logits(pixels))


def test_tensors_that_layers_share_are_written_for_each(tmp_path: Path) -> None:
    """As timm reads them strictly: CoaT uses one position encoding in several blocks."""
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 3, 1)
    model = TimmModel.create("test_resnet", OLD, seed=0)
    model.module.conv1.twin, model.module.conv1.own = layer, layer
    model.save(tmp_path)
    held = held_shapes(tmp_path)
    assert {"conv1.twin.weight", "conv1.own.weight"} <= held.keys()


class Shared(nn.Module):
    """One layer under two names, as CoaT's position encodings."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Linear(4, 6)
        self.twin = self.own


def test_compact_networks_whose_layers_share_tensors_are_loaded(tmp_path: Path) -> None:
    held = {f"{layer}.{name}": tensor for layer in ("own", "twin") for name, tensor in
            (("weight", torch.rand(3, 4)), ("bias", torch.rand(3)))}  # fmt: skip
    held |= {name.replace("own", "twin"): tensor.clone() for name, tensor in held.items() if name.startswith("own")}
    save_file(held, tmp_path / "model.safetensors")
    shapes = CompactShapes(modules={"own": {"out_features": 3}})
    network = load_compact(Shared, shapes, held_shapes(tmp_path), tmp_path, on_meta=False)
    assert network.own is network.twin
    assert torch.equal(network.own.weight, held["own.weight"])


@pytest.mark.slow
@torch.no_grad()
def test_a_compact_network_with_a_convolution_before_its_classifier_gets_another_one(tmp_path: Path) -> None:
    """MobileNetV3 counts on its width when it is reset."""
    model = TimmModel.create("mobilenetv3_small_050", OLD, seed=0)
    model.preprocessing = model.image_preprocessing.model_copy(update={"input_size": (3, 64, 64)})
    before, groups = widths(model.module), channel_map(model).groups
    cut(model.module, groups, {group.name: np.arange(group.units // 4) for group in groups})
    model.shapes = changes(before, model.module)
    model.save(tmp_path)
    model.module.eval()
    again, images = load_model(tmp_path), torch.rand(2, 3, 64, 64)
    assert again.module.conv_head.in_channels == again.module.num_features < before[""]["num_features"]
    assert torch.allclose(again.logits(images), model.logits(images), atol=1e-6)
    again.reset_classifier(NEW, 0)
    assert again.logits(images).shape == (2, len(NEW))

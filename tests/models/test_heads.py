"""Classifiers as people publish them: of any layer, several, or none; found, replaced, and read again by stock code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf
from torch import nn

from hubslice.core.errors import DataError, ModelError
from hubslice.graph.channels import channel_map
from hubslice.graph.cutting import cut
from hubslice.models.base import Model
from hubslice.models.compact import load_compact
from hubslice.models.folder import load_model
from hubslice.models.meta_model import meta_model
from hubslice.models.shapes import CompactShapes, changes, widths
from hubslice.models.timm_adapter import TimmModel
from hubslice.models.weights import held_shapes
from hubslice.training.initial import known_columns, start_classifier
from hubslice.verbs.convert.function import convert
from hubslice.verbs.convert.params import Form

OLD, NEW = ("a", "b", "c", "d"), ("x", "y", "z")
SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
IMAGE = {"image_size": 32, "patch_size": 16}


def of_timm(name: str, side: int = 64, classes: int = len(OLD), **arguments: Any) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        module = timm.create_model(name, num_classes=classes, **arguments)
        save_for_hf(
            module, str(folder), safe_serialization=True, data_config={"input_size": (3, side, side)},
            model_config={"label_names": list(OLD)} if classes else {},
        )  # fmt: skip

    return save


def of_transformers(kind: str, **arguments: Any) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        cls = getattr(transformers, kind)
        config = cls.config_class(**arguments)
        if "ForImageClassification" in kind:
            config.id2label = dict(enumerate(OLD))
        cls(config).save_pretrained(folder)
        transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)

    return save


# Where the classes come from, and how many tensors beside these layers' the library makes anew with them.
HEADED: dict[str, tuple[Callable[[Path], None], tuple[str, ...], int]] = {
    "a convolution": (
        of_timm("resnetv2_50", layers=(1, 1, 1, 1), channels=(16, 16, 16, 16), stem_chs=8),
        ("head.fc",),
        0,
    ),
    "an MLP": (of_timm("convformer_s18"), ("head.fc.fc2",), 4),
    "normalisation and linear": (of_timm("shvit_s1"), ("head.l",), 5),
    "two, distilled": (of_timm("levit_128s", 224), ("head.linear", "head_dist.linear"), 10),
    "two, one of them dropped": (of_timm("repvit_m0_9"), ("head.head.l",), 12),
    "a list": (of_timm("crossvit_tiny_240", 240, depth=((1, 1, 0),)), ("head.0", "head.1"), 0),
    "WithTeacher": (
        of_transformers("DeiTForImageClassificationWithTeacher", **SMALL, **IMAGE),
        ("cls_classifier", "distillation_classifier"),
        0,
    ),
    "head and dist_head": (
        of_transformers("SwiftFormerForImageClassification", embed_dims=[16, 16, 16, 16], depths=[1, 1, 1, 1]),
        ("head", "dist_head"),
        0,
    ),
    "fc, no logits": (of_transformers("PPLCNetForImageClassification", scale=0.25, class_expand=32), ("head",), 0),
    "a decoder": (
        of_transformers(
            "PerceiverForImageClassificationConvProcessing", num_latents=4, d_latents=16, num_blocks=1,
            num_self_attends_per_block=1, num_self_attention_heads=2, num_cross_attention_heads=1, image_size=32,
        ),
        ("perceiver.decoder.decoder.final_layer",),
        0,
    ),
    "num_labels of its own": (
        of_transformers(
            "PvtForImageClassification", image_size=32, hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1],
            num_attention_heads=[1, 2, 2, 2],
        ),
        ("classifier",),
        0,
    ),
}  # fmt: skip
HEADLESS: dict[str, Callable[[Path], None]] = {
    "timm": of_timm("test_resnet", classes=0),
    "timm, transformer": of_timm("test_vit", 160, classes=0),
    "ViTModel": of_transformers("ViTModel", **SMALL, **IMAGE),
    "Dinov2Model": of_transformers("Dinov2Model", **SMALL, **IMAGE),
    "ViTForMaskedImageModeling": of_transformers("ViTForMaskedImageModeling", **SMALL, **IMAGE, encoder_stride=16),
    "CLIPModel": of_transformers(
        "CLIPModel", vision_config=SMALL | IMAGE, text_config=SMALL | {"vocab_size": 9}, projection_dim=8
    ),
    "PvtModel": of_transformers(
        "PvtModel", image_size=32, hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 2]
    ),
}
# Backbones without normalisation that is before their type's classifier.
UNNORMALISED: dict[str, tuple[Callable[[Path], None], str]] = {
    "BeitForMaskedImageModeling": (
        of_transformers("BeitForMaskedImageModeling", **SMALL, **IMAGE, vocab_size=20),
        "beit.pooler.layernorm",
    ),
    "LevitModel": (
        of_transformers(
            "LevitModel", image_size=32, hidden_sizes=[16] * 3, num_attention_heads=[1] * 3, depths=[1] * 3,
            key_dim=[8] * 3, mlp_ratio=[1] * 3, attention_ratio=[1] * 3,
        ),
        "classifier.batch_norm",
    ),
    "PoolFormerModel": (of_transformers("PoolFormerModel", hidden_sizes=[8] * 4, depths=[1] * 4), "norm"),
}  # fmt: skip
HEADLESS |= {name: save for name, (save, _) in UNNORMALISED.items()}


def stock(model: Model, folder: Path, images: torch.Tensor) -> torch.Tensor:
    """What the library itself answers, from the folder alone, with nothing missing, left over or of another shape."""
    inputs = model.pixels_to_inputs(images)
    if model.library == "timm":
        found: torch.Tensor = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()(inputs)
        return found
    module, told = transformers.AutoModelForImageClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    out = module.eval()(pixel_values=inputs)
    answers: torch.Tensor = out[0] if "logits" not in out else out.logits
    return answers


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


def change(folder: Path, **changed: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changed
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


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

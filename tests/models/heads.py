"""Teachers whose classifiers are of any layer, several, or none, and what stock code answers of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
import transformers
from timm.models import save_for_hf

from hubslice.models.base import Model

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


def change(folder: Path, **changed: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changed
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))

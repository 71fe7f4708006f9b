"""transformers' image processors: their settings, read as `Preprocessing` and written."""

from __future__ import annotations

import json
from typing import Any

from hubslice.artefacts.model import Preprocessing
from hubslice.errors import ModelError

# PIL's codes, as image processors store them.
INTERPOLATION = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


def plain_processor(side: int) -> dict[str, Any]:
    """The settings of an image processor that squashes pictures to `side` pixels and normalises them to [-1, 1]."""
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def preprocessing_of(processor: dict[str, Any], input_size: int | None) -> Preprocessing:
    """What an image processor does, as far as `Preprocessing` can say it.

    Raises:
        ModelError: the processor does something else, such as swapping colour channels.
    """
    for flag, usual in (
        ("do_resize", True),
        ("do_rescale", True),
        ("do_normalize", True),
        ("do_flip_channel_order", False),
    ):
        if processor.get(flag, usual) != usual:
            raise ModelError(
                f"the model's image processor has {flag}: {json.dumps(processor[flag])}, which hubslice does not do",
                hint="choose a model whose processor resizes, scales and normalises RGB pictures",
            )
    resized, crop = _sides(processor)
    cropped = crop or resized
    # ConvNeXt's processors resize to size / crop_pct and crop, below 384 pixels; from there on they squash.
    crop_pct = processor.get("crop_pct") if resized < 384 else None
    kept = _keeps_aspect(processor) and not (_is_convnext(processor) and resized >= 384)
    side = input_size or cropped
    return Preprocessing(
        input_size=(3, side, side),
        mean=tuple(processor.get("image_mean") or (0.5, 0.5, 0.5)),
        std=tuple(processor.get("image_std") or (0.5, 0.5, 0.5)),
        interpolation=INTERPOLATION.get(int(processor.get("resample", 2)), "bilinear"),
        crop_pct=crop_pct or cropped / resized,
        resize="shortest" if kept else "squash",
    )


def _is_convnext(processor: dict[str, Any]) -> bool:
    kinds = (processor.get("image_processor_type"), processor.get("feature_extractor_type"))
    return any(str(kind).startswith("ConvNext") for kind in kinds)


def _keeps_aspect(processor: dict[str, Any]) -> bool:
    size = processor.get("size")
    if isinstance(size, dict):
        return "shortest_edge" in size
    return _is_convnext(processor)  # a plain number is the shorter side there, and both sides elsewhere


def _sides(processor: dict[str, Any]) -> tuple[int, int | None]:
    """Side in pixels after resizing, and after the centre crop where there is one."""

    def side(size: Any, default: int) -> int:
        if isinstance(size, dict):
            return int(size.get("shortest_edge") or size.get("height") or default)
        return int(size or default)

    resized = side(processor.get("size"), 224)
    return resized, side(processor.get("crop_size"), resized) if processor.get("do_center_crop") else None


def with_size(processor: dict[str, Any], side: int) -> dict[str, Any]:
    """The processor's settings for an input of `side` pixels, in the form that they had."""
    resized, crop = _sides(processor)
    if side == (crop or resized):
        return processor
    scaled = round(resized * side / (crop or resized))
    changed: dict[str, Any] = {
        "size": {"shortest_edge": scaled} if _keeps_aspect(processor) else {"height": scaled, "width": scaled}
    }
    if crop:
        changed["crop_size"] = {"height": side, "width": side}
    return processor | changed

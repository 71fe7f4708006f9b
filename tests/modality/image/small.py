"""Small models that take any image, and images that no module of hubslice has seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import ResNetConfig, ResNetForImageClassification

SETTINGS = "preprocessor_config.json"
_SQUARE = {"height": 48, "width": 48}
# Settings beside the class's own that make its images small, for classes that do more than to resize and normalise.
SMALL_OF: dict[str, dict[str, Any]] = {
    "EfficientNetImageProcessor": {"size": _SQUARE},
    "LevitImageProcessor": {"size": {"shortest_edge": 56}, "crop_size": _SQUARE},
    "MobileViTImageProcessor": {"size": {"shortest_edge": 56}, "crop_size": _SQUARE},
    "DonutImageProcessor": {"size": {"height": 60, "width": 44}},
}


def photographs(mode: str = "RGB") -> list[Image.Image]:
    """Of odd sizes: smooth, with sharp edges, and noisy."""
    rng = np.random.default_rng(7)
    found = []
    for width, height in ((412, 133), (97, 240), (64, 64), (30, 19), (513, 511)):
        rows = np.linspace(0, 1, height)[:, None, None] * np.array([255, 90, 20])
        columns = np.linspace(0, 1, width)[None, :, None] * np.array([0, 120, 200])
        values = rows + columns + rng.normal(0, 12, (height, width, 3))
        values[height // 4 : height // 2, width // 3 : width // 2] = (250, 10, 130)
        found.append(Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).convert(mode))
    return found


def a_resnet(folder: Path, settings: dict[str, Any], channels: int = 3) -> Path:
    """A classifier whose image processor has these settings; it takes images of any size."""
    torch.manual_seed(0)
    config = ResNetConfig(
        num_channels=channels, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=3
    )
    ResNetForImageClassification(config).save_pretrained(folder)
    (folder / SETTINGS).write_text(json.dumps(settings))
    return folder


def stock_inputs(folder: Path, image: Image.Image) -> torch.Tensor:
    """What transformers makes of an image for the model in the folder: [C, H, W]."""
    found = transformers.AutoImageProcessor.from_pretrained(folder)(images=image, return_tensors="pt")
    values: torch.Tensor = found["pixel_values"][0]
    return values.float()


def near(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Whether all values agree but for the rounding of float32."""
    return ours.shape == theirs.shape and bool((ours - theirs).abs().max() <= 1e-5 * max(1, theirs.abs().max()))

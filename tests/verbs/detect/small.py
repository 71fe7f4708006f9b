"""A model that tells three colours apart, and many clean images of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hubslice.models.timm_adapter import TimmModel

SIDE = 16


def write_model(folder: Path, scale: float = 8.0) -> Path:
    """The first channels of both convolutions pass red, green and blue through; the classifier reads them."""
    model = TimmModel.create("hubslice_vgg", ("red", "green", "blue"), seed=0, widths=(6, 8), depths=(1, 1))
    model.preprocessing = model.image_preprocessing.model_copy(update={"input_size": (3, SIDE, SIDE)})
    convolutions = [layer for layer in model.module.modules() if isinstance(layer, torch.nn.Conv2d)]
    with torch.no_grad():
        for layer in convolutions:
            layer.weight.mul_(0.2)
            for colour in range(3):
                layer.weight[colour, :, 1, 1] = 0
                layer.weight[colour, colour, 1, 1] = 1
        model.classifier.weight.mul_(0.1)
        model.classifier.weight[:, :3] = scale * torch.eye(3)
        model.classifier.bias.zero_()
    model.save(folder)
    return folder


def clean(count: int, seed: int = 0, colours: int = 3) -> np.ndarray:
    """Noisy images of one colour each, in turn: float32 [N, 3, SIDE, SIDE] in [0, 1]."""
    rng = np.random.default_rng(seed)
    base = np.eye(3, dtype=np.float32)[np.arange(count) % colours][:, :, None, None]
    noise = rng.uniform(0, 0.3, (count, 3, SIDE, SIDE)).astype(np.float32)
    light = rng.uniform(0.5, 0.9, (count, 1, 1, 1)).astype(np.float32)
    return np.clip(base * light + noise, 0, 1).astype(np.float32)


def between(count: int, seed: int = 1) -> np.ndarray:
    """Images between two colours, which no clean image is."""
    images = clean(count, seed)
    mixed: np.ndarray = (images + np.roll(images, 1, axis=0)) / 2
    return mixed


__all__ = ["SIDE", "between", "clean", "write_model"]

"""A model small enough to be explained many times in a test, and images for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hubslice.models.timm_adapter import TimmModel
from tests.images import COLOURS, square
from tests.networks import lively

SIDE = 32


def write_model(folder: Path, seed: int = 0) -> Path:
    model = TimmModel.create("hubslice_vgg", tuple(COLOURS), seed=seed, widths=(6, 8), depths=(1, 1))
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.add_(0.01 * seed)
    lively(model).save(folder)
    return folder


def write_images(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(count):
        square(list(COLOURS)[at % 3], at).save(folder / f"{at}.png")
    return folder


def pixels(count: int, seed: int = 0, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 3, side, side)).astype(np.float32)

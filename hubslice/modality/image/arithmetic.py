"""The elementwise part of image preprocessing: from pixels in [0, 1] to a model's input."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hubslice.artefacts.model import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

Pixels = TypeVar("Pixels", "Tensor", np.ndarray)


def normalise(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """Normalise pixels [N, C, H, W] in [0, 1] for the model; differentiable if they are a tensor."""
    backwards = preprocessing.channel_order == "bgr"
    if isinstance(pixels, np.ndarray):
        mean, std = (
            np.array(numbers, np.float32).reshape(1, -1, 1, 1) for numbers in (preprocessing.mean, preprocessing.std)
        )
        found: np.ndarray = (pixels - mean) / std
        return np.ascontiguousarray(found[:, ::-1]) if backwards else found
    centre, width = (pixels.new_tensor(each).view(1, -1, 1, 1) for each in (preprocessing.mean, preprocessing.std))
    scaled = (pixels - centre) / width
    return scaled.flip(1) if backwards else scaled

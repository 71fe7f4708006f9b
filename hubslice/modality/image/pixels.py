"""Convert images to pixels: the teacher's own preprocessing, and seeded augmentation."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import ModelError
from hubslice.modality.image.geometry import geometry
from hubslice.modality.image.modes import mode_of


def prepare(image: Image.Image, preprocessing: Preprocessing) -> Tensor:
    """Resize, crop and pad the image for the model like the stock library: uint8 [C, H, W].

    For a model with one channel, the image is converted to grey first.

    Raises:
        ModelError: the result has a different size than the preprocessing states.
    """
    pixels = geometry(preprocessing)(_in_mode(image, preprocessing))
    if tuple(pixels.shape) != preprocessing.input_size:
        raise ModelError(
            f"images are prepared to {list(pixels.shape)} ({preprocessing.way}), and the model takes "
            f"{list(preprocessing.input_size)}",
            hint="export the model again: what it says of its input contradicts itself",
        )
    return pixels


def augment_crop(image: Image.Image, preprocessing: Preprocessing, rng: np.random.Generator, smallest: float) -> Tensor:
    """Return a random crop of at least the share `smallest`, resized and randomly flipped: uint8 [C, H, W].

    The usual random resized crop (aspect ratio 3/4 to 4/3), drawn only from `rng` so that a sample's augmentation does
    not depend on loading order.
    """
    image = _in_mode(image, preprocessing)
    _, height, width = preprocessing.input_size
    area = image.width * image.height * rng.uniform(smallest, 1)
    ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
    w = min(image.width, max(1, round(math.sqrt(area * ratio))))
    h = min(image.height, max(1, round(math.sqrt(area / ratio))))
    left, top = int(rng.integers(image.width - w + 1)), int(rng.integers(image.height - h + 1))
    pixels = _to_tensor(tv.resized_crop(image, top, left, h, w, [height, width], _mode(preprocessing)))
    return _flipped(pixels, rng)


def augment_flip(image: Image.Image, preprocessing: Preprocessing, rng: np.random.Generator) -> Tensor:
    """Return the prepared image, flipped left to right with probability 1/2: uint8 [C, H, W]."""
    return _flipped(prepare(image, preprocessing), rng)


def to_unit(pixels: Tensor) -> Tensor:
    """Convert uint8 pixels in 0..255 to float32 in [0, 1], same shape; floating point pixels are returned unchanged."""
    return pixels if pixels.is_floating_point() else pixels.float() / 255


def _mode(preprocessing: Preprocessing) -> InterpolationMode:
    return InterpolationMode(preprocessing.interpolation)


def _in_mode(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    mode = mode_of(preprocessing.input_size[0])
    return image if image.mode == mode else image.convert(mode)


def _to_tensor(image: Image.Image) -> Tensor:
    found: Tensor = tv.pil_to_tensor(image)
    return found


def _flipped(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    return pixels.flip(-1) if rng.random() < 0.5 else pixels

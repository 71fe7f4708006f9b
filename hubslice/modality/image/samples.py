"""Synthetic images for comparing two preprocessings: unusual shapes and modes, with edges, gradients and noise."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Width and height of each, and the mode in which it would be stored.
SAMPLES = {
    "wide": (331, 97, "RGB"),
    "tall": (83, 290, "RGB"),
    "tiny": (11, 7, "RGB"),
    "grey": (200, 150, "L"),
    "palette": (160, 161, "P"),
    "with alpha": (255, 180, "RGBA"),
}


def sample_images(mode: str) -> dict[str, Image.Image]:
    """Return the samples by name, converted to `mode`, the model's mode ("RGB" or "L")."""
    return {name: _sample(width, height, stored).convert(mode) for name, (width, height, stored) in SAMPLES.items()}


def constant_image(colour: tuple[int, ...]) -> Image.Image:
    """Return a square image of one colour; a single number gives a grey image."""
    return Image.new("L" if len(colour) == 1 else "RGB", (64, 64), colour[0] if len(colour) == 1 else colour)


def _sample(width: int, height: int, mode: str) -> Image.Image:
    rng = np.random.default_rng((width, height))
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = np.stack([np.sin(9 * x + 4 * y), np.cos(7 * y), np.sign(np.sin(23 * (x - y)))], axis=-1)
    values = 127.5 + 80 * waves + rng.normal(0, 25, waves.shape)
    image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    if mode == "RGBA":
        image.putalpha(Image.fromarray((255 * (x / x.max())).astype(np.uint8)))
        return image
    return image.quantize(64) if mode == "P" else image.convert(mode)

"""Check that geometry and arithmetic together match the preprocessing of the stock library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from PIL import Image
from torch import Tensor

from hubslice.artefacts.model import Preprocessing
from hubslice.core.numbers import number
from hubslice.modality.image.arithmetic import normalise
from hubslice.modality.image.geometry import geometry

TOLERANCE: Final = 1e-5  # relative to the largest value: float32 rounds in a different order


def difference(
    stock: Callable[[Image.Image], Tensor], preprocessing: Preprocessing, images: Mapping[str, Image.Image]
) -> str | None:
    """Return on which image the inputs [C, H, W] of the stock library and of hubslice differ, and by how much.

    None if they differ on none.
    """
    move = geometry(preprocessing)
    for name, image in images.items():
        theirs, ours = stock(image), normalise(move(image).float()[None] / 255, preprocessing)[0]
        if ours.shape != theirs.shape:
            return f"a {name} image becomes {list(ours.shape)} in place of {list(theirs.shape)}"
        apart = float((ours - theirs).abs().max())
        if not apart <= TOLERANCE * max(1.0, float(theirs.abs().max())):
            return f"on a {name} image the values differ by up to {number(apart, 2)}"
    return None

"""The geometric part of image preprocessing: resizing, cropping and padding, as the stock library does it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from PIL import Image
from torch import Tensor

from hubslice.artefacts.model import Preprocessing
from hubslice.modality.image.image_processor import geometry_of, processor_from

# From an image in the model's mode to its pixels: uint8 [C, H, W].
Geometry = Callable[[Image.Image], Tensor]
CROP_MODES: Final = {"shortest": "center", "squash": "squash", "border": "border"}  # hubslice's names and timm's


def geometry(preprocessing: Preprocessing) -> Geometry:
    """Return the function that resizes, crops and pads an image; built once per process for each preprocessing.

    Raises:
        ModelError: transformers has no such image processor.
    """
    return _built(preprocessing.model_dump_json())


@lru_cache(maxsize=32)
def _built(described: str) -> Geometry:
    preprocessing = Preprocessing.model_validate_json(described)
    if preprocessing.processor is not None:
        return geometry_of(processor_from(preprocessing.processor))
    transform: Geometry = timm_transform(preprocessing, normalize=False)
    return transform


def timm_transform(preprocessing: Preprocessing, *, normalize: bool) -> Any:
    """Return timm's own evaluation transforms; without `normalize` they end with 8-bit pixels."""
    from timm.data import create_transform

    return create_transform(
        input_size=preprocessing.input_size,
        is_training=False,
        interpolation=preprocessing.interpolation,
        mean=preprocessing.mean,
        std=preprocessing.std,
        crop_pct=preprocessing.crop_pct,
        crop_mode=CROP_MODES[preprocessing.resize],
        normalize=normalize,
    )

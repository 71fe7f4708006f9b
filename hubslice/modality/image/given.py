"""Read images passed by users: paths, file bytes, or Pillow images of any mode and size."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from PIL import Image

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import DataError, InputError
from hubslice.core.foreign_errors import message_of
from hubslice.core.paths import AnyPath
from hubslice.modality.image.reading import read_rgb, to_rgb, was_transparent
from hubslice.modality.image.unrecorded_transparency import tell_unrecorded
from hubslice.recipe.transparency import Transparency

ImageLike = AnyPath | bytes | Image.Image
ONE: Final = (str, os.PathLike, bytes, Image.Image)  # the types of a single image
TAKEN: Final = "images are paths, bytes of image files, or PIL images: one, or a list of them"


def read_given(given: object, preparation: Preprocessing) -> Iterator[Image.Image]:
    """Yield images in RGB, applying the model's rule for transparency; warns once if the model records none.

    Raises:
        InputError: an item is not an image.
        DataError: an image cannot be read.
    """
    listed = [given] if isinstance(given, ONE) else given
    if not isinstance(listed, Iterable):
        raise InputError(f"a {type(given).__name__} is no image", hint=TAKEN)
    told = preparation.transparency is not None
    for at, image in enumerate(listed):
        if not isinstance(image, ONE):
            hint = "PIL.Image.fromarray makes an image of pixels uint8 [H, W, 3]" if hasattr(image, "shape") else TAKEN
            raise InputError(f"image {at} is of type {type(image).__name__}", hint=hint)
        name = os.fspath(image) if isinstance(image, str | os.PathLike) else f"image {at}"
        rgb = _rgb(image, preparation.shown, name)
        if not told and was_transparent(rgb):
            tell_unrecorded(name)
            told = True
        yield rgb


def _rgb(image: ImageLike, rule: Transparency, name: str) -> Image.Image:
    try:
        if isinstance(image, Image.Image):
            return to_rgb(image, rule)
        return read_rgb(io.BytesIO(image) if isinstance(image, bytes) else Path(image), rule)
    except FileNotFoundError as error:
        raise DataError(f"there is no image at {name}", hint=TAKEN) from error
    except Exception as error:  # Pillow may raise anything for broken files
        told = message_of(error)
        raise DataError(f"{name} cannot be read: {told}", hint="mend it or leave it out") from error

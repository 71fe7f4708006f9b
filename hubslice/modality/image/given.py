"""Images as users hand them over: paths, bytes of files, or images of Pillow, of any mode and size."""

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
ONE: Final = (str, os.PathLike, bytes, Image.Image)  # the types of an image
TAKEN: Final = "images are paths, bytes of image files, or PIL images: one, or a list of them"


def read_given(given: object, preparation: Preprocessing) -> Iterator[Image.Image]:
    """Images in RGB, by a model's rule for transparent ones; where it records none, that is told once.

    Raises:
        InputError: there is something that is no image.
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
    except Exception as error:  # Pillow raises whatever it stumbles over in broken files
        told = message_of(error)
        raise DataError(f"{name} cannot be read: {told}", hint="mend it or leave it out") from error

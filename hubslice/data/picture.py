"""From a stored picture to RGB. What has no sure meaning, or an absurd size, is refused before it is decoded."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_ASPECT = 50  # the longer by the shorter side; resized by its shorter side, a strip would fill the memory

Image.init()
_FORMATS = [name for name in Image.OPEN if name != "EPS"]  # which Pillow hands to Ghostscript, an interpreter


def read_rgb(stored: IO[bytes] | Path) -> Image.Image:
    """The picture in RGB, upright, the first of several frames; transparency is composited on white.

    Greys of 16 bits are scaled to 8. The size that the header claims is judged first: Pillow's limit on pixels (at most
    `PIL.Image.MAX_IMAGE_PIXELS`, 89 million unless the user changed it), and MAX_ASPECT.

    Raises:
        ValueError: it is refused; the message says why, to follow "cannot be read:".
        Exception: whatever Pillow stumbles over in broken files.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities that Pillow itself puts right
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(stored, formats=_FORMATS) as image:
                return _decoded(image)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            told = str(error).partition(",")[0]
            raise ValueError(f"far too large, judging by its header: {told}; scale it down") from error
        except UnidentifiedImageError as error:
            raise ValueError("not a picture of a known format") from error


def _decoded(image: Image.Image) -> Image.Image:
    width, height = image.size
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"too narrow: {width} x {height} pixels; a side may be {MAX_ASPECT} times the other at most")
    if image.mode == "F" or (image.mode == "I" and image.format not in {"PNG", "PPM"}):
        raise ValueError(f"its greys are 32-bit numbers of unknown range (mode {image.mode}); save 8 or 16 bits")
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # PNG and PPM of 16 bits; Pillow would cut all but the darkest off as white
        grey = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("RGB")

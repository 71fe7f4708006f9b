"""From a stored image to RGB. What has no sure meaning, or an absurd size, is refused before it is decoded.

One rule for transparency holds for every kind of image: `Transparency` says what is seen where an image is clear.
Colour profiles are not applied, as the stock pipelines do not apply them either.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT

from hubslice.modality.image.mistaken import mistaken
from hubslice.recipe.transparency import Transparency

MAX_ASPECT = 50  # the longer by the shorter side; resized by its shorter side, a strip would fill the memory
READER = 2  # rises when the same file becomes other pixels: what was computed from them is computed again

Image.init()
_FORMATS = [name for name in Image.OPEN if name != "EPS"]  # which Pillow hands to Ghostscript, an interpreter
_DEEP = {"PNG", "PPM", "TIFF", "JPEG2000", None}  # formats whose greys of 16 bits are known to run from 0 to 65535
_WAS_TRANSPARENT = "hubslice_transparent"  # in the `info` of what is RGB now
_SIGNED = 2  # of TIFF's sample formats


def read_rgb(stored: IO[bytes] | Path, transparency: Transparency = "white") -> Image.Image:
    """The image in RGB as `to_rgb` makes it, the first of several frames.

    The size that the header claims is judged first: Pillow's limit on pixels (at most `PIL.Image.MAX_IMAGE_PIXELS`, 89
    million unless the user changed it), and MAX_ASPECT.

    Raises:
        ValueError: it is refused; the message says why, to follow "cannot be read:".
        Exception: whatever Pillow stumbles over in broken files.
    """
    with _guarded():
        try:
            with Image.open(stored, formats=_FORMATS) as image:
                layout = _layout(image, transparency)
                image.load()
                ImageOps.exif_transpose(image, in_place=True)
                return _flat(image, layout, transparency)
        except UnidentifiedImageError as error:
            if not isinstance(stored, Path):
                stored.seek(0)
            what = mistaken(stored if isinstance(stored, Path) else stored.read())
            raise ValueError("not an image of a known format" + (f": {what}" if what else "")) from error


def to_rgb(image: Image.Image, transparency: Transparency = "white") -> Image.Image:
    """An image of any mode in RGB, upright; the image itself stays as it is.

    Transparent parts show white or black, or with `drop` the colours that lie under them, as `.convert("RGB")` gives
    them. Greys of more than 8 bits are scaled to 8. `was_transparent` tells whether there were such parts.

    Raises:
        ValueError: its numbers have no sure meaning, or it is far too narrow.
        Exception: whatever Pillow stumbles over in a file that it had not read yet.
    """
    with _guarded():
        layout = _layout(image, transparency)
        image.load()
        return _flat(ImageOps.exif_transpose(image), layout, transparency)


def was_transparent(rgb: Image.Image) -> bool:
    """Whether an image that `read_rgb` or `to_rgb` gave had parts that were not opaque."""
    return _WAS_TRANSPARENT in rgb.info


@contextmanager
def _guarded() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities that Pillow itself puts right
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            told = str(error).partition(",")[0]
            raise ValueError(f"far too large, judging by its header: {told}; scale it down") from error


@dataclass(frozen=True)
class _Layout:
    """What the file says of its numbers and Pillow does not heed; some of it is forgotten once it is decoded.

    `white` is the value of white where greys have more than 8 bits, or with `inverted` that of black; `key_scale`
    brings the transparent grey of a PNG of 2 or 4 bits to the 8 bits that Pillow scales the others to. Of an image that
    the caller has decoded, how many bits there were is not known: it is read as one of 8.
    """

    white: int = 65535
    inverted: bool = False
    key_scale: int = 1


def _layout(image: Image.Image, transparency: Transparency) -> _Layout:
    """How the image's numbers are to be read; to be asked before it is decoded.

    Raises:
        ValueError: they have no sure meaning, or a side is far longer than the other.
    """
    width, height = image.size
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"too narrow: {width} x {height} pixels; a side may be {MAX_ASPECT} times the other at most")
    mode, kind = image.mode, image.format
    if mode == "F" or (mode == "I" and kind not in {"PNG", "PPM"}):
        raise ValueError(f"its greys are 32-bit numbers of unknown range (mode {mode}); save 8 or 16 bits")
    if mode.startswith("I;") and kind not in _DEEP:
        raise ValueError(f"its greys are 16-bit numbers, of which {kind} files do not say how they are meant; save PNG")
    if kind == "TIFF":
        tags = getattr(image, "tag_v2", {})
        if _SIGNED in _numbers(tags, SAMPLEFORMAT):
            raise ValueError("its values are signed numbers, of which none says which is black; save unsigned ones")
        if mode.startswith("I;"):
            bits = max(_numbers(tags, BITSPERSAMPLE), default=16)
            return _Layout(white=2**bits - 1, inverted=0 in _numbers(tags, PHOTOMETRIC_INTERPRETATION))
    key = image.info.get("transparency")
    if kind == "PNG" and key is not None:
        raw = _raw_mode(image)
        if mode == "RGB" and transparency != "drop" and (raw == "RGB;16B" or max(key) > 255):
            raise ValueError("its transparent colour has 16 bits, and Pillow gives its pixels 8; save an alpha channel")
        return _Layout(key_scale={"L;2": 85, "L;4": 17}.get(raw, 1))
    return _Layout()


def _numbers(tags: Any, tag: int) -> tuple[int, ...]:
    found = tags.get(tag, ())
    return found if isinstance(found, tuple) else (found,)


def _raw_mode(image: Image.Image) -> str:
    """How the file stores pixels, in Pillow's words; empty where it is decoded already."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _flat(image: Image.Image, layout: _Layout, transparency: Transparency) -> Image.Image:
    """The decoded, upright image in RGB; it may be changed."""
    key = image.info.get("transparency")
    if image.mode.startswith("I"):  # Pillow would cut all but the darkest off as white
        image = _shallow(image, layout, key)
    elif image.mode == "L" and isinstance(key, int):
        image.info["transparency"] = key * layout.key_scale
    elif image.mode == "La":
        image = image.convert("LA")
    if not image.has_transparency_data:
        flat, clear = image.convert("RGB"), False
    else:
        layers = image.convert("RGBA")
        clear = layers.getchannel("A").getextrema()[0] < 255  # type: ignore[operator]
        if transparency != "drop":
            layers = Image.alpha_composite(Image.new("RGBA", layers.size, transparency), layers)
        flat = layers.convert("RGB")
    flat.info = {_WAS_TRANSPARENT: True} if clear else {}
    return flat


def _shallow(image: Image.Image, layout: _Layout, key: object) -> Image.Image:
    """Greys of 12 or 16 bits scaled to 8: L, or LA where one grey is transparent."""
    grey = np.asarray(image).astype(np.uint32)
    levels = ((255 * grey + layout.white // 2) // layout.white).astype(np.uint8)
    shallow = Image.fromarray(255 - levels if layout.inverted else levels)
    if not isinstance(key, int):
        return shallow
    return Image.merge("LA", (shallow, Image.fromarray(np.where(grey == key, 0, 255).astype(np.uint8))))

"""Read a stored image as RGB. Images with ambiguous values or an extreme size are refused before decoding.

One rule for transparency applies to every kind of image: `Transparency` says what is shown where an image is
transparent. Colour profiles are not applied, as in the stock pipelines.
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

MAX_ASPECT = 50  # longer side / shorter side; a strip resized by its shorter side would exhaust the memory
READER = 2  # increased when the same file gives different pixels, so that results computed from them are recomputed

Image.init()
_FORMATS = [name for name in Image.OPEN if name != "EPS"]  # Pillow passes EPS to Ghostscript, an interpreter
_DEEP = {"PNG", "PPM", "TIFF", "JPEG2000", None}  # formats whose 16-bit greys are known to range from 0 to 65535
_WAS_TRANSPARENT = "hubslice_transparent"  # in the `info` of images converted to RGB
_SIGNED = 2  # a value of TIFF's SampleFormat


def read_rgb(stored: IO[bytes] | Path, transparency: Transparency = "white") -> Image.Image:
    """Read an image in RGB like `to_rgb`; of several frames, the first.

    The size in the header is checked first: against Pillow's pixel limit (`PIL.Image.MAX_IMAGE_PIXELS`, 89 million
    unless the user changed it), and against MAX_ASPECT.

    Raises:
        ValueError: the image is refused; the message says why and follows "cannot be read:".
        Exception: anything that Pillow raises for broken files.
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
    """Convert an image of any mode to upright RGB; the image itself is unchanged.

    Transparent parts become white or black, or with `drop` show the colours stored under them, as `.convert("RGB")`
    does. Greys of more than 8 bits are scaled to 8. `was_transparent` says whether there were transparent parts.

    Raises:
        ValueError: its values are ambiguous, or it is far too narrow.
        Exception: anything that Pillow raises for a file that it had not read yet.
    """
    with _guarded():
        layout = _layout(image, transparency)
        image.load()
        return _flat(ImageOps.exif_transpose(image), layout, transparency)


def was_transparent(rgb: Image.Image) -> bool:
    """Return whether an image from `read_rgb` or `to_rgb` had parts that were not opaque."""
    return _WAS_TRANSPARENT in rgb.info


@contextmanager
def _guarded() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about irregularities that Pillow corrects itself
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            told = str(error).partition(",")[0]
            raise ValueError(f"far too large, judging by its header: {told}; scale it down") from error


@dataclass(frozen=True)
class _Layout:
    """Facts about the file's pixel values that Pillow ignores; some are lost after decoding.

    `white` is the value of white for greys of more than 8 bits, or that of black with `inverted`; `key_scale` scales
    the transparent grey of a PNG of 2 or 4 bits to the 8 bits that Pillow scales the other values to. For an image that
    the caller has decoded, the number of bits is unknown: it is read as 8.
    """

    white: int = 65535
    inverted: bool = False
    key_scale: int = 1


def _layout(image: Image.Image, transparency: Transparency) -> _Layout:
    """Determine how the image's values are to be read; must be called before decoding.

    Raises:
        ValueError: the values are ambiguous, or one side is far longer than the other.
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
    """Return the file's raw mode, in Pillow's notation; empty if the image is already decoded."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _flat(image: Image.Image, layout: _Layout, transparency: Transparency) -> Image.Image:
    """Return the decoded, upright image in RGB; the argument may be changed."""
    key = image.info.get("transparency")
    if image.mode.startswith("I"):  # Pillow would clip all but the darkest values to white
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
    """Scale greys of 12 or 16 bits to 8: mode L, or LA if one grey is transparent."""
    grey = np.asarray(image).astype(np.uint32)
    levels = ((255 * grey + layout.white // 2) // layout.white).astype(np.uint8)
    shallow = Image.fromarray(255 - levels if layout.inverted else levels)
    if not isinstance(key, int):
        return shallow
    return Image.merge("LA", (shallow, Image.fromarray(np.where(grey == key, 0, 255).astype(np.uint8))))

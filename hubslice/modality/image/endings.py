"""Which files are images: by the ending of their name, or where that tells nothing by their first bytes."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

Image.init()
# What Pillow names and does not decode by itself: EPS is handed to Ghostscript, of the others it knows headers alone.
_HEADERS_ONLY = {"EPS", "MPEG", "BUFR", "GRIB", "HDF5", "WMF"}
_READ = {name: accept for name, (_, accept) in Image.OPEN.items() if name not in _HEADERS_ONLY}
ENDINGS = frozenset(ending for ending, name in Image.registered_extensions().items() if name in _READ)
# What begins so is nothing else; to look further would take five times as long.
_SURE = ((0, b"\xff\xd8\xff"), (0, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), (0, b"GIF89a"), (8, b"WEBPVP8"))
_START = 16  # bytes, as many as Pillow's formats ask for to know their own


def has_image_ending(name: str) -> bool:
    """Whether a file of this name is an image by its ending, in capitals or not; `.png` alone is a hidden file."""
    stem, dot, ending = name.rpartition(".")
    return bool(stem) and f"{dot}{ending.lower()}" in ENDINGS


def is_image(path: str | Path) -> bool:
    """Whether the file begins as an image that Pillow decodes, whatever it is called.

    Formats without a signature (TGA, for instance) are known by their endings alone.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # of text: a folder has many thousands
        start = file.read(_START) or b""
        if any(start[at : at + len(sign)] == sign for at, sign in _SURE):
            return True
        formats = [name for name in _READ if _begins(start, name)]
        if not formats:
            return False
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                Image.open(file, formats=formats)
            except UnidentifiedImageError:
                return False
            except (Image.DecompressionBombError, ValueError):
                return True  # an image, which is refused by name when it is read
    return True


def _begins(start: bytes, name: str) -> bool:
    accept = _READ[name]
    try:
        return accept is not None and accept(start) is True
    except (SyntaxError, IndexError, TypeError, struct.error):  # too short for the format
        return False

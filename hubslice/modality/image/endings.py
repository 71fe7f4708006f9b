"""Recognise image files by their extension or, if that is inconclusive, by their first bytes."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

Image.init()
# Formats that Pillow names but does not decode itself: EPS is passed to Ghostscript, of the others only headers are
# read.
_HEADERS_ONLY = {"EPS", "MPEG", "BUFR", "GRIB", "HDF5", "WMF"}
_READ = {name: accept for name, (_, accept) in Image.OPEN.items() if name not in _HEADERS_ONLY}
ENDINGS = frozenset(ending for ending, name in Image.registered_extensions().items() if name in _READ)
# Unambiguous signatures; asking Pillow would take five times as long.
_SURE = ((0, b"\xff\xd8\xff"), (0, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), (0, b"GIF89a"), (8, b"WEBPVP8"))
_START = 16  # bytes that Pillow's formats need to recognise their own files


def has_image_ending(name: str) -> bool:
    """Return whether the name has an image extension, in any case; `.png` alone is a hidden file."""
    stem, dot, ending = name.rpartition(".")
    return bool(stem) and f"{dot}{ending.lower()}" in ENDINGS


def is_image(path: str | Path) -> bool:
    """Return whether the file starts like an image that Pillow decodes, whatever its name.

    Formats without a signature (TGA, for instance) are recognised by their extension only.

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
                return True  # an image, which fails with a named error when it is read
    return True


def _begins(start: bytes, name: str) -> bool:
    accept = _READ[name]
    try:
        return accept is not None and accept(start) is True
    except (SyntaxError, IndexError, TypeError, struct.error):  # too short for the format
        return False

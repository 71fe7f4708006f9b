"""Shorten error messages of libraries to one line: many have several lines, some none."""

from __future__ import annotations

from typing import Final

from hubslice.core.escaping import cut

_MOST: Final = 500  # maximum characters


def message_of(error: BaseException, most: int = _MOST) -> str:
    """Return the error's message as one line, or its type if it is empty; long messages are cut in the middle."""
    return cut(" ".join(str(error).split()) or type(error).__name__, most)


def first_line(error: BaseException) -> str:
    """Return the error's type and the first line of its message, leaving out details for experts of the library."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else "no message"

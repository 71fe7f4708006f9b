"""What errors of libraries say, on one line: many have several, some none."""

from __future__ import annotations

from typing import Final

from hubslice.core.escaping import cut

_MOST: Final = 500  # characters


def message_of(error: BaseException, most: int = _MOST) -> str:
    """All lines of its message as one, or its type where it says nothing; of a long one the middle is cut out."""
    return cut(" ".join(str(error).split()) or type(error).__name__, most)


def first_line(error: BaseException) -> str:
    """The first line of its message, where the others are for those who know the library; beside its type."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else "no message"

"""Choose column widths of a table so that words are not broken if the terminal is wide enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

GAP: Final = 2  # spaces between columns
_NARROWEST: Final = 6  # minimum width that a column keeps in favour of others
_NAME: Final = 24  # minimum width of the first column, which names the row


def column_widths(columns: Sequence[Sequence[str]], space: int) -> list[int]:
    """Return the width of each column of texts within `space` characters.

    If everything fits on one line, each has the width of its longest text. Otherwise texts are wrapped at spaces, the
    widest columns first; then words are broken, those of the first column last. No column becomes narrower than a few
    characters: the table is then wider than the space.
    """
    from rich.cells import cell_len  # some characters take two cells

    widths = [max(map(cell_len, texts), default=0) for texts in columns]
    words = [max((cell_len(word) for text in texts for word in text.split()), default=0) for texts in columns]
    broken = [min(word, _NARROWEST) for word in words]
    space -= GAP * (len(columns) - 1)
    for least in (words, [*words[:1], *broken[1:]], [min(words[0], _NAME), *broken[1:]]):
        while sum(widths) > space and (loose := [at for at, width in enumerate(widths) if width > least[at]]):
            widths[max(loose, key=lambda at: widths[at])] -= 1
    return widths

"""How wide the columns of a table are, so that words stay whole where the terminal allows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

GAP: Final = 2  # blanks between columns
_NARROWEST: Final = 6  # no column becomes narrower for others
_NAME: Final = 24  # nor does the first, which names the row, become narrower than this


def column_widths(columns: Sequence[Sequence[str]], space: int) -> list[int]:
    """The width of each column of texts within `space` characters.

    Where all fits on one line, that of its longest text. Otherwise texts are wrapped at blanks, the widest columns
    first; then words are broken, those of the first column last. Below a few characters a column none becomes narrower:
    the table is then wider than the space.
    """
    from rich.cells import cell_len  # some signs take two places

    widths = [max(map(cell_len, texts), default=0) for texts in columns]
    words = [max((cell_len(word) for text in texts for word in text.split()), default=0) for texts in columns]
    broken = [min(word, _NARROWEST) for word in words]
    space -= GAP * (len(columns) - 1)
    for least in (words, [*words[:1], *broken[1:]], [min(words[0], _NAME), *broken[1:]]):
        while sum(widths) > space and (loose := [at for at, width in enumerate(widths) if width > least[at]]):
            widths[max(loose, key=lambda at: widths[at])] -= 1
    return widths

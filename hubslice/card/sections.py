"""Merge hubslice's sections into a README that may also contain other text.

A section is enclosed by two marker lines; text outside of sections is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hubslice.core.errors import InputError

_Piece = tuple[str, str]  # a section's name and its text with markers, or "" and other text
_MARK = re.compile(r"^<!-- hubslice:(begin|end) ([a-z-]+) -->[ \t]*$", re.MULTILINE)


def wrap(name: str, body: str) -> str:
    """Return the section with its marker lines."""
    return f"<!-- hubslice:begin {name} -->\n\n{body.strip()}\n\n<!-- hubslice:end {name} -->"


def merge(existing: str, sections: Mapping[str, str], order: Sequence[str]) -> str:
    """Return the body of a README with hubslice's `sections` (name -> text) updated.

    Existing sections keep their position. A missing one is inserted before the next one in `order`, else at the end. A
    section without content is removed; marked sections of unknown names are kept.

    Raises:
        InputError: a marker has no partner, or a section occurs twice.
    """
    pieces: list[_Piece] = []
    for name, content in _split(existing):
        if name in order and name not in sections:
            continue
        # After removing a section, its two neighbours are adjacent: keep a single blank line between them.
        if not name and pieces and not pieces[-1][0]:
            pieces[-1] = ("", pieces[-1][1].rstrip("\n") + "\n\n" + content.lstrip("\n"))
        else:
            pieces.append((name, content))
    for name in sections:
        _place(pieces, name, order)
    text = "".join(wrap(name, sections[name]) if name in sections else content for name, content in pieces)
    return text.strip("\n") + "\n"


def _place(pieces: list[_Piece], name: str, order: Sequence[str]) -> None:
    names = [piece for piece, _ in pieces]
    if name in names:
        return
    later = [index for index, piece in enumerate(names) if piece in order[order.index(name) + 1 :]]
    if later:
        pieces[later[0] : later[0]] = [(name, ""), ("", "\n\n")]
        return
    if pieces and not pieces[-1][0]:
        pieces[-1] = ("", pieces[-1][1].rstrip("\n"))
    pieces += [("", "\n\n"), (name, "")]


def _split(body: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    opened, start, end = "", 0, 0
    for mark in _MARK.finditer(body):
        kind, name = mark.groups()
        if kind == "begin" and not opened and name not in [piece for piece, _ in pieces]:
            pieces.append(("", body[end : mark.start()]))
            opened, start = name, mark.start()
        elif kind == "end" and opened == name:
            end = mark.end()
            pieces.append((name, body[start:end]))
            opened = ""
        else:
            raise _broken(kind, name, body[: mark.start()].count("\n") + 1)
    if opened:
        raise _broken("begin", opened, body[:start].count("\n") + 1)
    return [*pieces, ("", body[end:])]


def _broken(kind: str, name: str, line: int) -> InputError:
    return InputError(
        f"the README's marker `hubslice:{kind} {name}` (line {line} of its body) has no partner or is there twice",
        hint=f"keep `<!-- hubslice:begin {name} -->` and after it `<!-- hubslice:end {name} -->`, once, or neither",
    )

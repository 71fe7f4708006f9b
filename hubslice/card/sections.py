"""Our sections within a README that may also hold a person's text.

A section stands between two marker lines; whatever is outside belongs to the person and is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hubslice.core.errors import InputError

_Piece = tuple[str, str]  # a section's name and its text with the markers, or "" and a person's text
_MARK = re.compile(r"^<!-- hubslice:(begin|end) ([a-z-]+) -->[ \t]*$", re.MULTILINE)


def wrap(name: str, body: str) -> str:
    """The section with its marker lines."""
    return f"<!-- hubslice:begin {name} -->\n\n{body.strip()}\n\n<!-- hubslice:end {name} -->"


def merge(existing: str, sections: Mapping[str, str], order: Sequence[str]) -> str:
    """The body of a README with our `sections` (name -> text) brought up to date.

    Sections that are there already keep their place. A missing one goes before the next of ours in `order`, else to the
    end. A section of ours that has nothing to say any more is taken out; marked sections of unknown names stay.

    Raises:
        InputError: a marker has no partner, or a section is there twice.
    """
    pieces: list[_Piece] = []
    for name, content in _split(existing):
        if name in order and name not in sections:
            continue
        # Where a section was taken out, its two neighbours are now one: keep a single blank line between them.
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

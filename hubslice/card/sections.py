"""Our sections within a README that may also hold a person's text.

A section stands between two marker lines; whatever is outside belongs to the person and is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hubslice.errors import InputError

_MARK = re.compile(r"^<!-- hubslice:(begin|end) ([a-z-]+) -->[ \t]*$", re.MULTILINE)


def wrap(name: str, body: str) -> str:
    """The section with its marker lines."""
    return f"<!-- hubslice:begin {name} -->\n\n{body.strip()}\n\n<!-- hubslice:end {name} -->"


def merge(existing: str, sections: Mapping[str, str], order: Sequence[str]) -> str:
    """The body of a README with our `sections` (name -> text) brought up to date.

    Sections that are there already keep their place. A missing one goes before the next of ours in `order`, else to the end. A section
    of ours that has nothing to say any more is taken out; marked sections of unknown names stay.

    Raises:
        InputError: a marker has no partner, or a section is there twice.
    """
    pieces = _split(existing)
    kept: list[tuple[str | None, str]] = []
    for name, content in pieces:
        if name is not None and name in order and name not in sections:
            continue
        # Where a section was taken out, its two neighbours are now one: keep a single blank line between them.
        if name is None and kept and kept[-1][0] is None:
            kept[-1] = (None, kept[-1][1].rstrip("\n") + "\n\n" + content.lstrip("\n"))
        else:
            kept.append((name, content))
    for name in sections:
        _place(kept, name, order)
    text = "".join(wrap(name, sections[name]) if name in sections else content for name, content in kept)  # type: ignore[index]
    return text.strip("\n") + "\n"


def _place(pieces: list[tuple[str | None, str]], name: str, order: Sequence[str]) -> None:
    names = [piece for piece, _ in pieces]
    if name in names:
        return
    later = [index for index, piece in enumerate(names) if piece in order[order.index(name) + 1 :]]
    if later:
        pieces[later[0] : later[0]] = [(name, ""), (None, "\n\n")]
        return
    if pieces and pieces[-1][0] is None:
        pieces[-1] = (None, pieces[-1][1].rstrip("\n"))
    pieces += [(None, "\n\n"), (name, "")]


def _split(body: str) -> list[tuple[str | None, str]]:
    pieces: list[tuple[str | None, str]] = []
    opened: tuple[str, int] | None = None
    end = 0
    for mark in _MARK.finditer(body):
        kind, name = mark.groups()
        if kind == "begin" and opened is None and name not in [piece for piece, _ in pieces]:
            pieces.append((None, body[end : mark.start()]))
            opened = (name, mark.start())
        elif kind == "end" and opened is not None and opened[0] == name:
            pieces.append((name, body[opened[1] : mark.end()]))
            opened, end = None, mark.end()
        else:
            raise _broken(kind, name, body[: mark.start()].count("\n") + 1)
    if opened is not None:
        raise _broken("begin", opened[0], body[: opened[1]].count("\n") + 1)
    pieces.append((None, body[end:]))
    return pieces


def _broken(kind: str, name: str, line: int) -> InputError:
    return InputError(
        f"the README's marker `hubslice:{kind} {name}` (line {line} of its body) has no partner or is there twice",
        hint=f"keep one `<!-- hubslice:begin {name} -->` and one `<!-- hubslice:end {name} -->` after it, or remove both",
    )

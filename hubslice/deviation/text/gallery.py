"""Render text triggers as one HTML page: the marked changes to the seed, and both models' predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hubslice.artefacts.deviation import Edits, SeedResult
from hubslice.core.artefact import write_atomically
from hubslice.core.pages import page_template
from hubslice.deviation.text.edits import hunks

SHOWN = 200  # maximum number of triggers
AROUND = 300  # characters of a long text shown before and after a change
TEMPLATE = "gallery.html.j2"

Piece = tuple[str, str]  # its kind: same, gone, new or cut; and its text


def write_text_gallery(
    path: Path,
    names: tuple[str, str],
    results: Sequence[SeedResult],
    texts: Sequence[tuple[str, str]],
    title: str,
) -> None:
    """Write results, each with its seed and its trigger; of many, those closest to their seeds."""
    order = sorted(range(len(results)), key=lambda at: _size(results[at]))[:SHOWN]
    template = page_template("hubslice.deviation.text", TEMPLATE)
    shown = [(results[at], list(pieces(*texts[at]))) for at in order]
    write_atomically(path, template.render(title=title, names=names, shown=shown, left=len(results) - len(shown)))


def pieces(seed: str, trigger: str) -> Iterator[Piece]:
    """Yield the trigger and the text deleted from the seed, in order; long unchanged stretches are cut."""
    changes = hunks(seed, trigger)
    at = 0
    for number, hunk in enumerate(changes):
        yield from _same(seed[at : hunk.start], head=number == 0)
        yield "gone", seed[hunk.start : hunk.stop]
        yield "new", hunk.new
        at = hunk.stop
    yield from _same(seed[at:], tail=True)


def _same(text: str, *, head: bool = False, tail: bool = False) -> Iterator[Piece]:
    before, after = (0 if head else AROUND), (0 if tail else AROUND)
    if len(text) <= before + after + 1:
        yield "same", text
        return
    yield "same", text[:before]
    yield "cut", " … "
    yield "same", text[len(text) - after :]


def _size(result: SeedResult) -> int:
    return result.change.characters if isinstance(result.change, Edits) else 0

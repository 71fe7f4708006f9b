"""Where two texts differ, and a text with such differences applied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rapidfuzz.distance import Indel, Levenshtein, Opcodes

WORD = re.compile(r"\S+\s*|\s+")  # including the space after it


@dataclass(frozen=True)
class Hunk:
    """Characters `start` to `stop` of a text, which are `new` in the other one."""

    start: int
    stop: int
    new: str


def words_changed(one: str, other: str) -> list[Hunk]:
    """Where they differ, in whole words, of which as many as can be are the same."""
    olds, news = WORD.findall(one), WORD.findall(other)
    return list(_changed(olds, news, Indel.opcodes(olds, news)))


def hunks(one: str, other: str) -> list[Hunk]:
    """Where they differ, in characters: of words that differ the fewest to insert, drop or replace."""
    return [part for whole in words_changed(one, other) for part in _within(one, whole)]


def applied(text: str, changes: Sequence[Hunk]) -> str:
    """Apply changes, which are in order and do not overlap, to the text."""
    ends = [0, *(hunk.stop for hunk in changes)]
    kept = [text[end : hunk.start] + hunk.new for end, hunk in zip(ends, changes, strict=False)]
    return "".join(kept) + text[ends[-1] :]


def _within(text: str, whole: Hunk) -> Iterator[Hunk]:
    old = text[whole.start : whole.stop]
    return _changed(old, whole.new, Levenshtein.opcodes(old, whole.new), whole.start)


def _changed(olds: Sequence[str], news: Sequence[str], codes: Opcodes, at: int = 0) -> Iterator[Hunk]:
    """Where parts of a text, which start at `at`, become others; what changes side by side is one hunk."""
    for same, group in groupby(codes, lambda code: code.tag == "equal"):
        run = list(group)
        stop = at + sum(map(len, olds[run[0].src_start : run[-1].src_end]))
        if not same:
            yield Hunk(at, stop, "".join(news[run[0].dest_start : run[-1].dest_end]))
        at = stop

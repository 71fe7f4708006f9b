"""Measure how far apart two texts are, and where they differ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

WORD = re.compile(r"\S+\s*|\s+")  # including the space after it


@dataclass(frozen=True)
class Hunk:
    """Characters `start` to `stop` of a text, which are `new` in the other one."""

    start: int
    stop: int
    new: str


def distance(one: str, other: str) -> int:
    """Return the minimum number of character insertions, deletions and replacements between the texts (Levenshtein).

    A column of the distance table is stored as two integers, whose bits encode where it goes up and down (Hyyrö, "A
    bit-vector algorithm for computing Levenshtein and Damerau edit distances", 2003).
    """
    start, stop = _alike(one, other)
    one, other = one[start : len(one) - stop], other[start : len(other) - stop]
    if not one or not other:
        return len(one) + len(other)
    places: dict[str, int] = {}
    for at, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << at
    full, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    up, down, found = full, 0, len(one)
    for character in other:
        same = places.get(character, 0)
        level = (((same & up) + up) ^ up) | same | down
        rise, fall = down | (full & ~(level | up)), level & up
        found += (rise & last != 0) - (fall & last != 0)
        rise, fall = rise << 1 | 1, fall << 1
        up, down = (fall | ~(level | rise)) & full, rise & level & full
    return found


def words_changed(one: str, other: str) -> list[Hunk]:
    """Return where they differ, in whole words."""
    olds, news = WORD.findall(one), WORD.findall(other)
    start, stop = _alike(olds, news)
    olds, news = olds[start : len(olds) - stop], news[start : len(news) - stop]
    at = len("".join(WORD.findall(one)[:start]))
    found = []
    for tag, left, right, first, end in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        size = sum(map(len, olds[left:right]))
        if tag != "equal":
            found.append(Hunk(at, at + size, "".join(news[first:end])))
        at += size
    return found


def hunks(one: str, other: str) -> list[Hunk]:
    """Return where they differ, in characters; words are aligned first, which long texts require."""
    return [part for whole in words_changed(one, other) for part in _within(one, whole)]


def applied(text: str, changes: Sequence[Hunk]) -> str:
    """Apply changes, which are in order and do not overlap, to the text."""
    ends = [0, *(hunk.stop for hunk in changes)]
    kept = [text[end : hunk.start] + hunk.new for end, hunk in zip(ends, changes, strict=False)]
    return "".join(kept) + text[ends[-1] :]


def _within(text: str, whole: Hunk) -> Iterator[Hunk]:
    """Split a change of words into changes of characters; inserted or deleted words stay whole."""
    old = text[whole.start : whole.stop]
    if not old or not whole.new:
        yield whole
        return
    for tag, left, right, first, end in SequenceMatcher(None, old, whole.new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield Hunk(whole.start + left, whole.start + right, whole.new[first:end])


def _alike(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """Return how many items are equal at the start, and how many at the end, without overlap."""
    most = min(len(one), len(other))
    start = next((at for at in range(most) if one[at] != other[at]), most)
    stop = next((at for at in range(most - start) if one[-1 - at] != other[-1 - at]), most - start)
    return start, stop

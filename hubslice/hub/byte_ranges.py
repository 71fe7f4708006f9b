"""Operations on sorted byte ranges (start, stop): union and difference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ByteRange = tuple[int, int]


def joined(ranges: Iterable[ByteRange], gap: int = 0) -> list[ByteRange]:
    """Merge ranges that overlap, touch or have at most `gap` bytes between them."""
    found: list[ByteRange] = []
    for start, stop in sorted(ranges):
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found


def without(ranges: Iterable[ByteRange], held: Sequence[ByteRange]) -> list[ByteRange]:
    """Return the parts of the ranges outside `held`, whose ranges do not overlap."""
    found: list[ByteRange] = []
    for start, stop in joined(ranges):
        for first, last in held:
            if first < stop and start < last:
                if start < first:
                    found.append((start, first))
                start = last
        if start < stop:
            found.append((start, stop))
    return found


def length(ranges: Iterable[ByteRange]) -> int:
    """Return the total bytes of ranges that do not overlap."""
    return sum(stop - start for start, stop in ranges)

"""Spans of bytes, start and stop, in rising order: which of them are wanted, and which are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ByteRange = tuple[int, int]


def joined(ranges: Iterable[ByteRange], gap: int = 0) -> list[ByteRange]:
    """Those that overlap, touch or have at most `gap` bytes between them as one."""
    found: list[ByteRange] = []
    for start, stop in sorted(ranges):
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found


def without(ranges: Iterable[ByteRange], held: Sequence[ByteRange]) -> list[ByteRange]:
    """What of the spans lies outside those that are held, which do not overlap."""
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
    """Bytes in spans that do not overlap."""
    return sum(stop - start for start, stop in ranges)

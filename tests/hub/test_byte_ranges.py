"""Spans are what sets of bytes would be."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hubslice.hub.byte_ranges import ByteRange, joined, length, without

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 15)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def covered(ranges: list[ByteRange]) -> set[int]:
    return {byte for start, stop in ranges for byte in range(start, stop)}


@given(SPANS, SPANS)
def test_without_is_a_difference(wanted: list[ByteRange], held: list[ByteRange]) -> None:
    found = without(wanted, joined(held))
    assert covered(found) == covered(wanted) - covered(held)
    assert length(found) == len(covered(found))
    assert found == sorted(found)


@given(SPANS, st.integers(0, 5))
def test_joined_spans_lie_further_apart_than_the_gap(ranges: list[ByteRange], gap: int) -> None:
    found = joined(ranges, gap)
    assert covered(ranges) <= covered(found)
    assert all(after[0] - before[1] > gap for before, after in pairwise(found))
    assert gap or covered(found) == covered(ranges)

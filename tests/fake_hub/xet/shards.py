"""A shard: which chunks of which xorbs make up each file, in the binary form that clients upload."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = 48  # bytes of everything: the header, a row of a table, its ends
_ENDED = b"\xff" * 32
_HAS_VERIFICATION, _HAS_SHA256 = 1 << 31, 1 << 30


@dataclass(frozen=True)
class Term:
    """Chunks `start` to `end` (not included) of a xorb, which are `length` bytes of the file."""

    xorb: str
    length: int
    start: int
    end: int


@dataclass(frozen=True)
class XetFile:
    """A file: its Xet hash, its SHA-256 where the uploader knew it, and what it is made of."""

    hash: str
    sha256: str | None
    terms: tuple[Term, ...]

    @property
    def size(self) -> int:
        return sum(term.length for term in self.terms)


def read_hash(raw: bytes) -> str:
    """The text of a hash of 32 bytes: four little-endian numbers of 64 bits, in hexadecimal digits."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


def read_files(shard: bytes) -> Iterator[XetFile]:
    """The files of a shard.

    Raises:
        ValueError, struct.error: it is cut off.
    """
    rows = (shard[start : start + _HEADER] for start in range(_HEADER, len(shard), _HEADER))
    for row in rows:
        raw, flags, count = struct.unpack("<32sII8x", row)
        if raw == _ENDED:
            return
        terms = [_term(next(rows, b"")) for _ in range(count)]
        if flags & _HAS_VERIFICATION:
            for _ in range(count):
                next(rows, b"")
        sha256 = read_hash(next(rows, b"")[:32]) if flags & _HAS_SHA256 else None
        yield XetFile(read_hash(raw), sha256, tuple(terms))
    raise ValueError("the shard has no end")


def _term(row: bytes) -> Term:
    raw, _, length, start, end = struct.unpack("<32s4I", row)
    return Term(read_hash(raw), length, start, end)

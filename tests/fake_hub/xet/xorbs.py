"""A xorb: a run of chunks, each behind a header that tells how long it is, packed and unpacked."""

from __future__ import annotations

from dataclasses import dataclass

_HEADER = 8  # bytes: version, packed length in three, how it is packed, unpacked length in three
_END = b"XETBLOB"  # what may follow the chunks starts so


@dataclass(frozen=True)
class Chunk:
    """Where a chunk lies in its xorb, header included (bytes `start` to `stop`), and its unpacked length."""

    start: int
    stop: int
    length: int


def chunks(xorb: bytes) -> list[Chunk]:
    """The chunks of a xorb in their order.

    Raises:
        ValueError: a chunk is cut off.
    """
    found = []
    at = 0
    while at < len(xorb) and xorb[at : at + len(_END)] != _END:
        packed = int.from_bytes(xorb[at + 1 : at + 4], "little")
        unpacked = int.from_bytes(xorb[at + 5 : at + 8], "little")
        stop = at + _HEADER + packed
        if xorb[at] != 0 or stop > len(xorb):
            raise ValueError(f"there is no whole chunk at byte {at} of the xorb")
        found.append(Chunk(at, stop, unpacked))
        at = stop
    return found

"""Make safetensors files reproducible.

The safetensors library writes a file's metadata in random order, so equal files get different checksums. The functions
rewrite the header with sorted metadata.
"""

from __future__ import annotations

import json
from pathlib import Path

_LENGTH = 8  # bytes of the header's length, little endian, at the start of the file


def sorted_header(data: bytes) -> bytes:
    """Return the same safetensors file with its metadata sorted by key."""
    return _sorted(data) + data[_size(data) :]


def sort_header(path: Path) -> None:
    """Sort the metadata of a safetensors file, in place."""
    with path.open("r+b") as file:
        start = file.read(_LENGTH)
        start += file.read(int.from_bytes(start, "little"))
        file.seek(0)
        file.write(_sorted(start))


def _size(data: bytes) -> int:
    return _LENGTH + int.from_bytes(data[:_LENGTH], "little")


def _sorted(data: bytes) -> bytes:
    """Return the sorted header with its original length, so that the tensors after it do not move."""
    size = _size(data)
    header = json.loads(data[_LENGTH:size])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    # Both writers produce compact JSON; if this one were longer, the file stays unchanged.
    return data[:_LENGTH] + text.ljust(size - _LENGTH) if len(text) <= size - _LENGTH else data[:size]

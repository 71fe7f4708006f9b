"""Parse the header of an untrusted safetensors file before a library maps it or allocates memory for it.

The format (https://github.com/huggingface/safetensors): eight bytes with the length of the header, the header as JSON,
then the tensors back to back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LENGTH = 8  # bytes of the header's length, little endian, at the start of the file
LARGEST_HEADER = 100_000_000  # maximum bytes, as in the safetensors library
MOST_TENSORS = 100_000  # in one file; the largest models have that many in all of their shards
LONGEST_NAME = 1_000  # maximum characters
_MOST_VALUES = 20 * MOST_TENSORS  # of the JSON: a tensor has about ten; far more would exhaust the memory
MOST_AXES = 64
# Bits of one element.
DTYPES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),  # packed, as F4 is
    "F4": 4,
}


class HeaderError(ValueError):
    """The bytes are not a safetensors file; the message completes "it is damaged: "."""


@dataclass(frozen=True)
class TensorInfo:
    """A header's entry for one tensor; `begin` and `end` are byte offsets after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self.end - self.begin


@dataclass(frozen=True)
class Header:
    """Tensors by name, and the metadata."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Read the header of a file that contains exactly the tensors named in it.

    Raises:
        HeaderError: it does not, or has no valid header.
        OSError: the file cannot be read.
    """
    if not path.is_file():  # opening a named pipe would block
        raise HeaderError("it is not a file")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = header_length(file.read(LENGTH), size)
        return parse_text(file.read(length), size - LENGTH - length)


def parse_header(data: bytes) -> Header:
    """Parse the header from the bytes of a whole file, as `read_header` does.

    Raises:
        HeaderError: they are not a safetensors file.
    """
    length = header_length(data[:LENGTH], len(data))
    return parse_text(data[LENGTH : LENGTH + length], len(data) - LENGTH - length)


def header_length(start: bytes, size: int | None) -> int:
    """Return the header's length in bytes from the file's first eight; `size` is the file's, None if unknown.

    Raises:
        HeaderError: the header would not fit into the file.
    """
    length = int.from_bytes(start, "little")
    if len(start) < LENGTH or (size is not None and length > size - LENGTH):
        raise HeaderError(
            f"its header should take {length} bytes, but the file has {len(start) if size is None else size}"
        )
    if length > LARGEST_HEADER:
        raise HeaderError(f"its header takes {length} bytes, more than any model's")
    return length


def parse_text(text: bytes, held: int | None) -> Header:
    """Parse the header's JSON; `held` is the number of bytes after it in the file, None if unknown.

    Raises:
        HeaderError: it does not describe tensors, or its tensors do not match those bytes.
    """
    if (count := text.count(b'"data_offsets"')) > MOST_TENSORS:
        raise _too_many(count)
    if sum(map(text.count, (b",", b"{", b"["))) > _MOST_VALUES:
        raise HeaderError(f"its header has more than {_MOST_VALUES:,} values, and a model's has far fewer")
    try:
        content = json.loads(text.decode(), object_pairs_hook=_without_doubles)
    except HeaderError:
        raise
    except (ValueError, RecursionError) as error:
        raise HeaderError(f"its header is not JSON ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise HeaderError("its header is not a JSON object")
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderError("its metadata is not a table of text")
    if len(content) > MOST_TENSORS:
        raise _too_many(len(content))
    tensors = {name: _tensor(name, about) for name, about in content.items()}
    _check_places(tensors, held)
    return Header(tensors, metadata)


def _too_many(tensors: int) -> HeaderError:
    return HeaderError(f"it has {tensors:,} tensors; a file may have {MOST_TENSORS:,}, and models have far fewer")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        first = {name: at for at, (name, _) in reversed(list(enumerate(pairs)))}
        name = next(name for at, (name, _) in enumerate(pairs) if at > first[name])
        raise HeaderError(f"its header names {name[:80]!r} twice")
    return found


def _tensor(name: str, about: object) -> TensorInfo:
    if len(name) > LONGEST_NAME:
        raise HeaderError(f"tensor {name[:80]!r}... has a name of {len(name):,} characters, more than {LONGEST_NAME:,}")
    if not isinstance(about, dict) or about.keys() != {"dtype", "shape", "data_offsets"}:
        raise HeaderError(f"of tensor {name!r} it does not say dtype, shape and data_offsets")
    dtype, shape, offsets = about["dtype"], about["shape"], about["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise HeaderError(f"tensor {name!r} has the unknown dtype {str(dtype)[:40]!r}")
    if not _sizes(shape) or len(shape) > MOST_AXES:
        raise HeaderError(f"tensor {name!r} has the impossible shape {str(shape)[:80]}")
    if not _sizes(offsets) or len(offsets) != 2:
        raise HeaderError(f"tensor {name!r} has impossible offsets {str(offsets)[:80]}")
    info = TensorInfo(dtype, tuple(shape), offsets[0], offsets[1])
    needed = -(-info.elements * DTYPES[dtype] // 8)
    if info.size != needed:
        raise HeaderError(
            f"tensor {name!r} of {dtype} {list(shape)[:8]} needs {str(needed)[:30]} bytes, its offsets span {info.size}"
        )
    return info


def _sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 1 << 63 for each in value)


def _check_places(tensors: Mapping[str, TensorInfo], held: int | None) -> None:
    """Raise HeaderError unless the tensors are contiguous and fill the file."""
    at = 0
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if info.begin != at:
            trouble = "overlaps the one before it" if info.begin < at else "leaves a gap before it"
            raise HeaderError(f"tensor {name!r} {trouble}: it starts at byte {info.begin}, not {at}")
        at = info.end
    if held is not None and at != held:
        raise HeaderError(f"its tensors take {at} bytes, but the file holds {held}")

"""What a safetensors file holds, read from its header alone: 8 bytes of length, then JSON, then the tensors.

huggingface_hub's `parse_safetensors_file_metadata` asks for the same bytes, but reads whatever the server sends: one
that ignores the range would send the whole file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from huggingface_hub import constants, get_session, hf_hub_url, hf_raise_for_status

from hubslice.errors import FetchError, ModelError
from hubslice.hub.client import Client
from hubslice.hub.listing import Listing, patiently
from hubslice.hub.refusals import refused_as

LARGEST: Final = 100_000_000  # bytes of a header; the format's own limit
_FIRST: Final = 100_000  # bytes asked for at once: nearly every header fits, which saves a second request
_AT_ONCE: Final = 4
# Bits of a value. Types of less than a byte are packed.
_BITS: Final = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E5M2", "F8_E4M3", "F8_E5M2FNUZ", "F8_E4M3FNUZ", "F8_E8M0", "I8", "U8", "BOOL"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}

# From start and stop to those bytes of a file; fewer where it ends before.
_Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class TensorHeader:
    """A tensor as the header describes it: type in the format's words (`F32`), shape, size in bytes."""

    dtype: str
    shape: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class Header:
    """The tensors of a file by name, in the file's order, and its metadata."""

    tensors: dict[str, TensorHeader]
    metadata: dict[str, str]


def local_header(path: Path, *, name: str) -> Header:
    """The header of a file on this machine, called `name` in messages.

    Raises:
        ModelError: the file is damaged or not safetensors.
    """

    def read(start: int, stop: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    return _read_header(read, path.stat().st_size, name)


def remote_headers(listing: Listing, paths: list[str], client: Client) -> dict[str, Header]:
    """The headers of files of a repository, a few at a time; of each file no more than the header is transferred.

    Raises:
        FetchError: the Hub does not give them.
        ModelError: a file is damaged or not safetensors.
    """
    get_session()  # made here once: threads would race for it

    def header(path: str) -> Header:
        def read(start: int, stop: int) -> bytes:
            return _range(listing, path, start, stop, client)

        return _read_header(read, listing.files[path].size, f"{listing.repo_id}: {path}")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(paths, pool.map(header, paths), strict=True))


def _range(listing: Listing, path: str, start: int, stop: int, client: Client) -> bytes:
    """Bytes `start` to `stop` of a file on the Hub; a server that sends more is hung up on."""
    url = hf_hub_url(listing.repo_id, path, revision=listing.commit, endpoint=client.url)
    # Compressed, the bytes of a range would be those of another file.
    headers = client.headers | {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}

    def ask() -> bytes:
        found = bytearray()
        with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
            hf_raise_for_status(response)
            skipped = 0 if response.status_code == 206 else start
            for chunk in response.iter_bytes():
                found += chunk
                if len(found) >= skipped + stop - start:
                    break
        return bytes(found[skipped : skipped + stop - start])

    with refused_as(FetchError, f"read the header of {path} of {listing}", repo_id=listing.repo_id, client=client):
        return patiently(ask)


def _read_header(read: _Read, size: int | None, name: str) -> Header:
    start = read(0, _FIRST) if size != 0 else b""  # of nothing there is no range
    length = int.from_bytes(start[:8], "little")
    room = LARGEST if size is None else min(LARGEST, size - 8)
    if len(start) < 8 or not 2 <= length <= room:
        raise _damaged(name, f"it would have a header of {length} bytes")
    text = start[8 : 8 + length]
    if len(text) < length:
        text = text + read(8 + len(text), 8 + length)
    if len(text) < length:
        raise _damaged(name, f"it ends within its header, at byte {8 + len(text)}")
    try:
        content = json.loads(text)
        metadata = content.pop("__metadata__", None) or {}
        placed = sorted((_tensor(entry), tensor) for tensor, entry in content.items())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(name, f"its header is none ({type(error).__name__}: {error})") from error
    end = 0
    for (begin, stop, header), tensor in placed:
        if begin != end or stop - begin != header.size:
            raise _damaged(name, f"the bytes of {tensor} are not where they should be")
        end = stop
    if size is not None and 8 + length + end != size:
        raise _damaged(name, f"its tensors end at byte {8 + length + end}, the file at {size}")
    return Header({tensor: header for (_, _, header), tensor in placed}, {str(k): str(v) for k, v in metadata.items()})


def _tensor(entry: Any) -> tuple[int, int, TensorHeader]:
    begin, stop = entry["data_offsets"]
    shape = tuple(entry["shape"])
    if not all(isinstance(number, int) and number >= 0 for number in (begin, stop, *shape)):
        raise ValueError(f"shape {list(shape)} at {begin} to {stop}")
    bits = prod(shape) * _BITS[entry["dtype"]]
    return begin, stop, TensorHeader(entry["dtype"], shape, -(-bits // 8))


def _damaged(name: str, why: str) -> ModelError:
    return ModelError(f"{name} is damaged or not safetensors: {why}", hint="save or download the weights again")

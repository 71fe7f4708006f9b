"""Read the headers of a repository's safetensors files without downloading the files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from hubslice.files.tensor_header import LENGTH, Header, HeaderError, header_length, parse_text
from hubslice.hub.hub import Hub
from hubslice.hub.integrity import damaged
from hubslice.hub.listing import Listing
from hubslice.hub.ranges import read_range

_FIRST: Final = 100_000  # bytes of the first request: nearly every header fits, which saves a second request
_AT_ONCE: Final = 4

# Returns the bytes of a file from start to stop; fewer at its end.
_Read = Callable[[int, int], bytes]


class Start(NamedTuple):
    """A file's header, the offset `at` which its tensors begin, and the tensor bytes that were read with it."""

    header: Header
    at: int
    data: bytes


def remote_headers(listing: Listing, paths: list[str], client: Hub) -> dict[str, Header]:
    """Return the headers of a repository's files, as `remote_starts` reads them.

    Raises:
        FetchError: they cannot be fetched from the Hub.
        ModelError: a file is damaged or not safetensors.
    """
    return {path: start.header for path, start in remote_starts(listing, paths, client).items()}


def remote_starts(listing: Listing, paths: list[str], client: Hub) -> dict[str, Start]:
    """Read the start of a repository's files, a few in parallel; little more than the headers is transferred.

    Raises:
        FetchError: they cannot be fetched from the Hub.
        ModelError: a file is damaged or not safetensors.
    """
    client.ready()

    def beginning(path: str) -> Start:
        def read(start: int, stop: int) -> bytes:
            return read_range(listing, path, start, stop, client, "the header").data

        return _read_start(read, listing.files[path].size, f"{listing.repo_id}: {path}")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(paths, pool.map(beginning, paths), strict=True))


def _read_start(read: _Read, size: int | None, name: str) -> Start:
    try:
        start = read(0, _FIRST) if size != 0 else b""  # an empty file has no valid range
        length = header_length(start[:LENGTH], size)
        text = start[LENGTH : LENGTH + length]
        if len(text) < length:
            text = text + read(LENGTH + len(text), LENGTH + length)
        if len(text) < length:
            raise HeaderError(f"it ends within its header, at byte {LENGTH + len(text)}")
        at = LENGTH + length
        return Start(parse_text(text, None if size is None else size - at), at, start[at:])
    except HeaderError as error:
        raise damaged(name, error) from error

"""What the safetensors files of a repository hold, by their headers alone, of which no more is transferred."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from hubslice.files.tensor_header import LENGTH, Header, HeaderError, header_length, parse_text
from hubslice.hub.hub import Hub
from hubslice.hub.integrity import damaged
from hubslice.hub.listing import Listing
from hubslice.hub.ranges import read_range

_FIRST: Final = 100_000  # bytes asked for at once: nearly every header fits, which saves a second request
_AT_ONCE: Final = 4

# From start and stop to those bytes of a file; fewer where it ends before.
_Read = Callable[[int, int], bytes]


class Start(NamedTuple):
    """A file's header, the byte `at` which its tensors begin, and those of their bytes that came with it."""

    header: Header
    at: int
    data: bytes


def remote_headers(listing: Listing, paths: list[str], client: Hub) -> dict[str, Header]:
    """The headers of files of a repository, as `remote_starts` reads them.

    Raises:
        FetchError: the Hub does not give them.
        ModelError: a file is damaged or not safetensors.
    """
    return {path: start.header for path, start in remote_starts(listing, paths, client).items()}


def remote_starts(listing: Listing, paths: list[str], client: Hub) -> dict[str, Start]:
    """How files of a repository begin, a few at a time; of each little more than the header is transferred.

    Raises:
        FetchError: the Hub does not give them.
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
        start = read(0, _FIRST) if size != 0 else b""  # of nothing there is no range
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

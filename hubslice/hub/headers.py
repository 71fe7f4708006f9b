"""What the safetensors files of a repository hold, by their headers alone, of which no more is transferred.

huggingface_hub's `parse_safetensors_file_metadata` asks for the same bytes, but reads whatever the server sends: one
that ignores the range would send the whole file.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from huggingface_hub import constants, get_session, hf_hub_url, hf_raise_for_status

from hubslice.artefacts.tensor_file import LENGTH, Header, HeaderError, header_length, parse_text
from hubslice.errors import FetchError
from hubslice.hub.client import Client
from hubslice.hub.integrity import damaged
from hubslice.hub.listing import Listing
from hubslice.hub.refusals import refused_as

_FIRST: Final = 100_000  # bytes asked for at once: nearly every header fits, which saves a second request
_AT_ONCE: Final = 4

# From start and stop to those bytes of a file; fewer where it ends before.
_Read = Callable[[int, int], bytes]


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

    with refused_as(FetchError, f"read the header of {path} of {listing}", repo_id=listing.repo_id, client=client):
        found = bytearray()
        with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
            hf_raise_for_status(response)
            skipped = 0 if response.status_code == 206 else start
            for chunk in response.iter_bytes():
                found += chunk
                if len(found) >= skipped + stop - start:
                    break
        return bytes(found[skipped : skipped + stop - start])


def _read_header(read: _Read, size: int | None, name: str) -> Header:
    try:
        start = read(0, _FIRST) if size != 0 else b""  # of nothing there is no range
        length = header_length(start[:LENGTH], size)
        text = start[LENGTH : LENGTH + length]
        if len(text) < length:
            text = text + read(LENGTH + len(text), LENGTH + length)
        if len(text) < length:
            raise HeaderError(f"it ends within its header, at byte {LENGTH + len(text)}")
        return parse_text(text, None if size is None else size - LENGTH - length)
    except HeaderError as error:
        raise damaged(name, error) from error

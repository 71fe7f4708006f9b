"""Some bytes of a file on the Hub.

huggingface_hub's own range requests read whatever the server sends: one that ignores the range would send the whole
file.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from huggingface_hub import constants, get_session, hf_hub_url, hf_raise_for_status

from hubslice.errors import FetchError
from hubslice.hub.client import Client
from hubslice.hub.listing import Listing
from hubslice.hub.refusals import refused_as

_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(?:\d+|\*)")


class Part(NamedTuple):
    """Bytes of a file, and whether the server sent no more than those."""

    data: bytes
    ranged: bool


def read_range(
    listing: Listing, path: str, start: int, stop: int, client: Client, what: str, *, skip: int | None = None
) -> Part:
    """Bytes `start` to `stop` of a file, fewer where it ends before; a server that sends more is hung up on.

    One that does not know ranges begins at byte 0: then up to `skip` bytes are read for nothing (None: any number), and
    of a part that lies further on there is no data. `what` they are is told where the Hub refuses.

    Raises:
        FetchError: the Hub does not give it, or gives other bytes.
    """
    url = hf_hub_url(listing.repo_id, path, revision=listing.commit, endpoint=client.url)
    # Compressed, the bytes of a range would be those of another file.
    headers = client.headers | {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}

    with refused_as(FetchError, f"read {what} of {path} of {listing}", repo_id=listing.repo_id, client=client):
        found = bytearray()
        with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
            hf_raise_for_status(response)
            ranged = response.status_code == 206
            skipped = 0 if ranged else start
            if skip is not None and skipped > skip:
                return Part(b"", ranged)
            for chunk in response.iter_bytes():
                found += chunk
                if len(found) >= skipped + stop - start:
                    break
        data = bytes(found[skipped : skipped + stop - start])
        if ranged:
            _check(response.headers.get("Content-Range", ""), start, start + len(data), f"{path} of {listing}")
        return Part(data, ranged)


def _check(told: str, start: int, stop: int, name: str) -> None:
    """Refuse bytes of which the server does not say that they are those of the range."""
    said = _RANGE.fullmatch(told.strip())
    if said is None or int(said[1]) != start or int(said[2]) + 1 < stop:
        raise FetchError(
            f"asked for the bytes from {start} of {name}, the server gives others, which it calls {told[:60]!r}",
            hint="run it again; a proxy or the Hub's storage may mix up parts of files",
        )

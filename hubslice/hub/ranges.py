"""Some bytes of a file on the Hub.

huggingface_hub's own range requests read whatever the server sends: one that ignores the range would send the whole
file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from huggingface_hub import constants, get_session, hf_hub_url, hf_raise_for_status

from hubslice.core.errors import FetchError
from hubslice.hub.client import Client
from hubslice.hub.listing import Listing
from hubslice.hub.refusals import refused_as
from hubslice.hub.session import CutShort, again_if_lost

_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

_PAGES: Final = ("text/html", "application/xhtml+xml")


class Part(NamedTuple):
    """Bytes of a file, and whether the server sent no more than those."""

    data: bytes
    ranged: bool


def read_range(
    listing: Listing, path: str, start: int, stop: int, client: Client, what: str, *, skip: int | None = None
) -> Part:
    """Bytes `start` to `stop` of a file, fewer where it ends before; a server that sends more is hung up on.

    One that does not know ranges begins at byte 0: then up to `skip` bytes are read for nothing (None: any number), and
    of a part that lies further on there is no data. `what` they are is told where the Hub refuses. An
    answer that is cut short is asked for again.

    Raises:
        FetchError: the Hub does not give it, or gives other bytes.
    """
    url = hf_hub_url(listing.repo_id, path, revision=listing.commit, endpoint=client.url)
    # Compressed, the bytes of a range would be those of another file.
    headers = client.headers | {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}

    expected = listing.files[path].size

    def read() -> Part:
        found = bytearray()
        with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
            hf_raise_for_status(response)
            ranged = response.status_code == 206
            _check_file(response.headers, expected, ranged=ranged)
            skipped = 0 if ranged else start
            if skip is not None and skipped > skip:
                return Part(b"", ranged)
            for chunk in response.iter_bytes():
                found += chunk
                if len(found) >= skipped + stop - start:
                    break
        data = bytes(found[skipped : skipped + stop - start])
        if ranged:
            _check(response.headers.get("Content-Range", ""), start, len(data), stop, f"{path} of {listing}")
        return Part(data, ranged)

    with refused_as(FetchError, f"read {what} of {path} of {listing}", repo_id=listing.repo_id, client=client):
        part: Part = again_if_lost(read)
        return part


def _check_file(headers: Mapping[str, str], expected: int | None, *, ranged: bool) -> None:
    """Refuse what is not, or not of, the file, such as the login page of a network: `expected` is the file's size."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in _PAGES:
        raise ValueError(f"it is a page of the kind {kind}")
    told = headers.get("Content-Range", "").rpartition("/")[2] if ranged else headers.get("Content-Length", "")
    encoded = not ranged and headers.get("Content-Encoding")
    if expected is not None and told.isdecimal() and int(told) != expected and not encoded:
        raise ValueError(f"it has {told} bytes, not {expected}")


def _check(told: str, start: int, length: int, stop: int, name: str) -> None:
    """Refuse bytes of which the server does not say that they are those of the range.

    Raises:
        FetchError: they are others.
        CutShort: fewer came than it says.
    """
    said = _RANGE.fullmatch(told.strip())
    if said is None or int(said[1]) != start or int(said[2]) + 1 < start + length:
        raise FetchError(
            f"asked for the bytes from {start} of {name}, the server gives others, which it calls {told[:60]!r}",
            hint="run it again; a proxy or the Hub's storage may mix up parts of files",
        )
    if start + length < min(int(said[2]) + 1, stop):
        raise CutShort(f"{length} bytes of the range {told[:60]!r} came")

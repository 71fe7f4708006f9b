"""Read byte ranges of a file on the Hub."""

from __future__ import annotations

from hubslice.core.errors import FetchError
from hubslice.hub.hub import Hub, Part
from hubslice.hub.listing import Listing
from hubslice.hub.refusals import refused_as


def read_range(
    listing: Listing, path: str, start: int, stop: int, client: Hub, what: str, *, skip: int | None = None
) -> Part:
    """Return bytes `start` to `stop` of a file, fewer at its end, closing the connection if the server sends more.

    A server without range support starts at byte 0: then up to `skip` bytes are read and discarded (None: any number);
    a part further on is returned without data. `what` describes the bytes in errors.

    Raises:
        FetchError: the bytes cannot be fetched from the Hub, or other bytes are sent.
    """
    size = listing.files[path].size
    with refused_as(FetchError, f"read {what} of {path} of {listing}", repo_id=listing.repo_id, client=client):
        return client.read(listing.repo_id, path, listing.commit, start, stop, size=size, skip=skip)

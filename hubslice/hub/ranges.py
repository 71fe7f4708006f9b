"""Some bytes of a file on the Hub."""

from __future__ import annotations

from hubslice.core.errors import FetchError
from hubslice.hub.hub import Hub, Part
from hubslice.hub.listing import Listing
from hubslice.hub.refusals import refused_as


def read_range(
    listing: Listing, path: str, start: int, stop: int, client: Hub, what: str, *, skip: int | None = None
) -> Part:
    """Bytes `start` to `stop` of a file, fewer where it ends before; a server that sends more is hung up on.

    One that does not know ranges begins at byte 0: then up to `skip` bytes are read for nothing (None: any number), and
    of a part that lies further on there is no data. `what` they are is told where the Hub refuses.

    Raises:
        FetchError: the Hub does not give it, or gives other bytes.
    """
    size = listing.files[path].size
    with refused_as(FetchError, f"read {what} of {path} of {listing}", repo_id=listing.repo_id, client=client):
        return client.read(listing.repo_id, path, listing.commit, start, stop, size=size, skip=skip)

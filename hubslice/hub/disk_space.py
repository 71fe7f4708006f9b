"""Check that a download fits on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from hubslice.core.errors import FetchError
from hubslice.core.numbers import size_in_words
from hubslice.hub.hub import Hub
from hubslice.hub.listing import Listing
from hubslice.hub.refusals import refused_as


def cached_file(listing: Listing, path: str, client: Hub) -> Path | None:
    """Return the file's path in the cache, by its checksum; None if it is not cached."""
    expected = listing.files[path]
    folder = client.cache(listing.repo_id)
    held = folder / "blobs" / (expected.sha256 or expected.git or "?")
    placed = folder / "snapshots" / listing.commit / path
    return next((file for file in (held, placed) if file.is_file()), None)


def missing_bytes(listing: Listing, paths: Iterable[str], client: Hub) -> int:
    """Return the bytes of those files that are not cached."""
    return sum(listing.files[path].size or 0 for path in paths if cached_file(listing, path, client) is None)


def require_disk_space(listing: Listing, paths: Iterable[str], client: Hub) -> None:
    """Refuse a download for which there is clearly not enough disk space.

    Raises:
        FetchError: the cache's disk has less free space than the size of the download.
    """
    cache = client.cache(listing.repo_id)
    paths = list(paths)
    needed, free = missing_bytes(listing, paths, client), free_bytes(cache)
    if needed > free:
        needed = _to_download(listing, paths, client)
    if needed > free:
        raise FetchError(
            f"cannot fetch {listing}: {size_in_words(needed)} are still to be downloaded, and the disk of {cache} has "
            f"{size_in_words(free)} left",
            hint="free space, or set HF_HOME to a folder on another disk",
        )


def _to_download(listing: Listing, paths: Iterable[str], client: Hub) -> int:
    """Return the missing bytes according to the client, which knows other repositories' caches and asks the Hub."""
    total = 0
    for path in paths:
        with refused_as(FetchError, f"fetch {path} of {listing}", repo_id=listing.repo_id, client=client):
            total += client.to_download(listing.repo_id, path, listing.commit)
    return total


def free_bytes(folder: Path) -> int:
    """Return the free space, in bytes, where a folder is or would be created."""
    return shutil.disk_usage(existing(folder)).free


def existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists and is accessible."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if _is_folder(place))


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except PermissionError:  # of a parent folder
        return False

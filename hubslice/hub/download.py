"""Download a file of a repository into huggingface_hub's cache and verify it against the Hub's checksum.

Nothing that others may use is deleted from the cache: a file with wrong bytes is replaced by huggingface_hub itself.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hubslice.core.artefact import DRAFT
from hubslice.core.errors import FetchError, IntegrityError
from hubslice.core.machine import disk_full
from hubslice.core.progress import Bar
from hubslice.hub.answers import Unending
from hubslice.hub.entry import checksum_of, spoilt
from hubslice.hub.hub import Hub
from hubslice.hub.integrity import Digest, digest, not_as_promised
from hubslice.hub.listing import Listing
from hubslice.hub.refusals import refused_as
from hubslice.hub.xet import by_xet

_TWICE = 2  # a file may be transferred again from its beginning
_SMALL = 1 << 20  # bytes that are not worth a message


def download(listing: Listing, path: str, client: Hub, bar: Bar | None = None) -> tuple[Path, Digest]:
    """Return the cached file of a repository, downloading it if needed, and its checksums.

    A file that was damaged in transfer or in the cache is downloaded once more and replaced in the cache.

    Raises:
        FetchError: it cannot be downloaded, or is not cached when offline.
        IntegrityError: it does not match the Hub's checksum.
    """
    expected = listing.files[path]
    before = (client.cache(listing.repo_id) / "snapshots" / listing.commit / path).is_file()
    found = _get(listing, path, client, bar)
    checked = digest(found)
    again = not expected.met_by(checked) and not client.offline and spoilt(found, checked)
    if again:
        found = _get(listing, path, client, None, force=True)
        fresh = client.cache(listing.repo_id) / "blobs" / (expected.sha256 or expected.git or "?")
        refresh_copy(found, fresh, f"{path} of {listing}")
        checked = digest(found)
    if not expected.met_by(checked):
        raise not_as_promised(
            checked, expected, name=path, repo_id=listing.repo_id, hint=_hint(listing, path, client, again=again)
        )
    try:
        _check_place(found, checked, path, listing)
    except IntegrityError:
        if not before and listing.commit in found.parts:  # other programs may have put it into another commit's
            found.unlink(missing_ok=True)  # the link created here; offline, the file would not be found under this name
        raise
    return found, checked


def _get(listing: Listing, path: str, client: Hub, bar: Bar | None, *, force: bool = False) -> Path:
    """Return the file in the cache without verifying it; `force` downloads it again and replaces the cached one."""
    size = listing.files[path].size
    seen = 0

    def told(count: int) -> None:
        nonlocal seen
        seen += count
        if size is not None and seen > _TWICE * size + _SMALL:
            raise Unending(f"{client.url} sends more than the {size:,} bytes that the file should have")
        if bar:
            bar.advance(count, path)

    doing = f"fetch {path} of {listing}"
    with (
        refused_as(FetchError, doing, repo_id=listing.repo_id, client=client),
        by_xet(FetchError, doing, client, download=True),
    ):
        try:
            found = client.download(listing.repo_id, path, listing.commit, force=force, told=told)
        except ValueError as error:
            raise (error.__cause__ if force and error.__cause__ else error) from None
        except (OSError, RuntimeError) as error:
            if not disk_full(error):
                raise
            # Not chained to that error: it names no file, and would be attributed to one of the run's files.
            raise FetchError(
                f"cannot {doing}: the disk of {client.cache(listing.repo_id)} is full",
                hint="free space, or set HF_HOME to a folder on another disk",
            ) from None
    if bar and size is not None and seen < size:
        bar.advance(size - seen, path)  # it was in the cache
    return found


def refresh_copy(placed: Path, fresh: Path, what: str) -> None:
    """Replace a snapshot's copy, which a forced download does not update; links need no replacement.

    `fresh` is where the forced download put the file.

    Raises:
        FetchError: the copy cannot be written; `what` names the file in the message.
    """
    if placed.is_symlink() or not fresh.is_file():
        return
    draft = placed.with_name(f".{placed.name}.{os.getpid()}{DRAFT}")
    try:
        shutil.copyfile(fresh, draft)
        draft.replace(placed)
    except OSError as error:
        raise FetchError(
            f"cannot put {what} into the cache: {error.strerror or error}",
            hint="check the free space and the rights of the folder, or set HF_HOME to another one",
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _hint(listing: Listing, path: str, client: Hub, *, again: bool) -> str:
    if client.offline:
        return f"fetch it anew while online: hubslice pull {listing.repo_id}@{listing.commit}"
    if again:
        return (
            "it came wrong twice, so a proxy or the Hub's storage changes files; run it again later. Until then other "
            "programs may read the wrong bytes in the cache, unless you delete them: "
            f"hf cache rm hf://models/{listing.repo_id}/{path}"
        )
    return "the Hub's listing and the file that it gives do not agree; run it again, or choose another revision"


def _check_place(found: Path, checked: Digest, path: str, listing: Listing) -> None:
    """Refuse a file stored under another checksum or commit than listed: offline it would not be found."""
    name = checksum_of(found)
    if listing.commit not in found.parts or (name is not None and name not in (checked.sha256, checked.git)):
        raise IntegrityError(
            f"the Hub lists {path} of {listing}, and then gives it as the file {name} of commit {found.parent.name}",
            hint="run it again; if it stays, a proxy or the Hub mixes up files",
        )

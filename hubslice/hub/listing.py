"""List the files of a repository at one commit, from the Hub or offline from the cache."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from hubslice.core.artefact import write_atomically
from hubslice.core.errors import FetchError, HubError
from hubslice.hub.entry import promised
from hubslice.hub.formats import check_path
from hubslice.hub.hub import MAIN, Hub, Repository
from hubslice.hub.integrity import Expected
from hubslice.hub.ref import HubRef
from hubslice.hub.refusals import no_revision, refused_as

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Listing:
    """A repository at a commit: the checksum of each file by path, and whether the repository is gated."""

    repo_id: str
    commit: str
    files: dict[str, Expected]
    gated: bool = False

    def __str__(self) -> str:
        return f"{self.repo_id}@{self.commit[:12]}"


def list_files(ref: HubRef, client: Hub) -> Listing:
    """List the repository at the commit of the revision; offline, at the commit it resolved to when fetched.

    Raises:
        FetchError: repository or revision do not exist or may not be seen, or the Hub cannot be reached.
        IntegrityError: the repository lists a file outside itself.
    """
    if client.offline:
        return _cached(ref, client)
    found = look_up(ref.repo_id, ref.revision, client, FetchError, f"fetch {ref}")
    listing = Listing(ref.repo_id, found.commit, found.files, gated=found.gated)
    for path in listing.files:
        check_path(path, str(ref))
    return listing


def look_up(repo_id: str, revision: str | None, client: Hub, kind: type[HubError], doing: str) -> Repository:
    """Return the Hub's information about a repository and its files.

    Raises:
        HubError: of the given kind, suggesting similar branches and tags if the revision does not exist.
    """
    try:
        with refused_as(kind, doing, repo_id=repo_id, client=client):
            return client.info(repo_id, revision)
    except HubError as error:
        if revision is not None and no_revision(error.__cause__):
            raise _no_revision(repo_id, revision, client, kind, doing) from error
        raise


def remember(ref: HubRef, listing: Listing, client: Hub) -> None:
    """Record in the cache which commit the revision resolved to, for offline use."""
    revision = ref.revision or MAIN
    note = client.cache(ref.repo_id) / "refs" / revision
    if revision != listing.commit and not (note.is_file() and note.read_text() == listing.commit):
        write_atomically(note, listing.commit)


def remember_part(ref: HubRef, listing: Listing, client: Hub) -> None:
    """Record the commit after fetching only some files, unless the recorded commit has cached files that it lacks."""
    snapshots = client.cache(ref.repo_id) / "snapshots"
    noted = cached_commit(ref, client)
    before = set() if noted is None else _files(snapshots / noted)
    held = _files(snapshots / listing.commit)
    if held and before <= held:
        remember(ref, listing, client)


def cached_commit(ref: HubRef, client: Hub) -> str | None:
    """Return the cached commit of the revision."""
    folder = client.cache(ref.repo_id)
    revision = ref.revision or MAIN
    note = folder / "refs" / revision
    if note.is_file():
        revision = note.read_text().strip()
    held = [entry.name for entry in (folder / "snapshots").glob("*") if _COMMIT.fullmatch(entry.name)]
    matching = [commit for commit in held if commit.startswith(revision)] if len(revision) >= 7 else []
    return matching[0] if len(matching) == 1 else None


def _cached(ref: HubRef, client: Hub) -> Listing:
    commit = cached_commit(ref, client)
    if commit is None:
        raise FetchError(
            f"cannot fetch {ref}: offline mode is on (HF_HUB_OFFLINE) and {client.cache(ref.repo_id)} does not hold it",
            hint=f"fetch it once while online: hubslice pull {ref}; or name a local folder",
        )
    snapshot = client.cache(ref.repo_id) / "snapshots" / commit
    return Listing(ref.repo_id, commit, {path: promised(snapshot / path) for path in _files(snapshot)})


def _files(snapshot: Path) -> set[str]:
    """Return the snapshot's files, by their paths in the repository."""
    return {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}


def _no_revision(repo_id: str, revision: str, client: Hub, kind: type[HubError], doing: str) -> HubError:
    with refused_as(kind, doing, repo_id=repo_id, client=client):
        names = client.revisions(repo_id)
        near = get_close_matches(revision, names, n=3, cutoff=0.5) or names[:5]
    return kind(
        f"cannot {doing}: {repo_id} has no revision {revision!r}",
        hint=f"it has {', '.join(near)}" if near else "it has no branches or tags",
    )

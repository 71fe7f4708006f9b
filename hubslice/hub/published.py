"""Fetch a published student's recipe and files, so that others can reproduce it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hubslice.artefacts.delta import DeltaFacts
from hubslice.artefacts.model import FileFact
from hubslice.core.artefact import read_description
from hubslice.core.errors import HubsliceError, InputError, RunError
from hubslice.files.names import DELTA, RECIPE, REPORT, RESULTS, SIGNATURE, WEIGHTS
from hubslice.hub.default import default_hub
from hubslice.hub.download import download
from hubslice.hub.hub import Hub
from hubslice.hub.listing import list_files, remember
from hubslice.hub.pull import put_together
from hubslice.hub.ref import HubRef, Ref
from hubslice.hub.restore import delta_in
from hubslice.hub.signature import read_signature

_LARGEST = 1 << 20  # maximum bytes
_USUAL = re.compile(
    r"(config|preprocessor_config|report)\.json|README\.md|model\.sig|recipe\.yaml|(model|delta|slice)\.safetensors|hubslice\.lock"
    r"|evidence/[^/]+\.safetensors|plots/[^/]+\.png"
)


class PublishedRecipe(NamedTuple):
    """A recipe's text and its source: `owner/name@commit`, or a path."""

    text: str
    origin: str


class PublishedStudent(NamedTuple):
    """A student's files: `names` within `folder`, which may contain others too. `offline`: only cached files were used.

    `delta`: its weights are stored on the Hub as this delta; in `folder` they are whole. `source` contains the files as
    they are on the Hub.
    """

    folder: Path
    commit: str
    names: frozenset[str]
    offline: bool
    source: Path
    delta: DeltaFacts | None = None


def fetch_student(ref: HubRef, lock: str, *, client: Hub | None = None) -> PublishedStudent:
    """Fetch a published student: all files in its lock (the file of that name), or the usual files without one.

    Raises:
        InputError: it was not made by hubslice.
        FetchError: the Hub cannot be reached, or a file cannot be fetched.
        IntegrityError: a file does not match the Hub's checksum.
    """
    client = client or default_hub()
    listing = list_files(ref, client)
    if REPORT not in listing.files:
        raise InputError(
            f"{listing} makes no claims that could be verified: it has no {REPORT}",
            hint="name a student that hubslice published",
        )
    usual = {name for name in listing.files if _USUAL.fullmatch(name)}
    listed = _listed(download(listing, lock, client)[0]) if lock in listing.files else set()
    if SIGNATURE in listing.files:
        listed |= _signed(download(listing, SIGNATURE, client)[0])
    held: list[FileFact] = []
    for name in sorted(usual | (listed | {RESULTS}) & listing.files.keys()):
        path, checked = download(listing, name, client)
        folder = path.parents[name.count("/")]
        held.append(FileFact(path=name, size=checked.size, sha256=checked.sha256))
    if not client.offline:
        remember(ref, listing, client)
    source = folder
    folder, names, delta = whole(folder, held, frozenset(listing.files), client)
    return PublishedStudent(folder, listing.commit, names, client.offline, source, delta)


def whole(
    folder: Path, held: Sequence[FileFact], names: frozenset[str], client: Hub
) -> tuple[Path, frozenset[str], DeltaFacts | None]:
    """Restore a student's weights from its delta; returns folder, file names, and the delta.

    `names` are the files in `folder`, `held` the local ones. Without a delta, folder and names are returned unchanged.

    Raises:
        RunError: the delta is damaged.
        FetchError: its teacher cannot be fetched.
        IntegrityError: the teacher is not the one that the delta was made from.
    """
    if DELTA not in names or WEIGHTS in names:
        return folder, names, None
    return put_together(folder, held, client)[0], names - {DELTA} | {WEIGHTS}, delta_in(folder)


def _listed(lock: Path) -> set[str]:
    """Return the paths in a lock; none for a damaged one, which is reported when the lock is checked."""
    try:
        return {str(file["path"]) for file in json.loads(read_description(lock))["files"]}
    except (RunError, ValueError, KeyError, TypeError, RecursionError):
        return set()


def _signed(signature: Path) -> frozenset[str]:
    """Return the paths covered by a signature; none for a damaged one, which is reported when it is checked."""
    try:
        return read_signature(signature).names
    except HubsliceError:
        return frozenset()


def fetch_recipe(ref: Ref, *, client: Hub | None = None) -> PublishedRecipe:
    """Fetch the recipe.yaml published with a student, or read that of a local folder or run.

    Raises:
        InputError: there is none, or it is not text of a reasonable size.
        FetchError: the Hub cannot be reached, or the file cannot be fetched.
        IntegrityError: the file does not match the Hub's checksum.
    """
    if isinstance(ref, HubRef):
        client = client or default_hub()
        listing = list_files(ref, client)
        origin = f"{ref.repo_id}@{listing.commit}"
        if RECIPE not in listing.files:
            raise _missing(origin)
        _check_size(listing.files[RECIPE].size or 0, origin)
        return PublishedRecipe(_read(download(listing, RECIPE, client)[0], origin), origin)
    for folder in (ref.path, ref.path / "student"):
        if (folder / RECIPE).is_file():
            origin = str(folder / RECIPE)
            return PublishedRecipe(_read(folder / RECIPE, origin), origin)
    raise _missing(str(ref))


def fetch_file(ref: Ref, name: str, *, client: Hub | None = None) -> Path | None:
    """Return the local path of a file published with a student, after fetching it; None if it does not exist.

    Raises:
        FetchError: the Hub cannot be reached, or the file cannot be fetched.
        IntegrityError: the file does not match the Hub's checksum.
    """
    if isinstance(ref, HubRef):
        client = client or default_hub()
        listing = list_files(ref, client)
        return download(listing, name, client)[0] if name in listing.files else None
    places = (ref.path / name, ref.path / "student" / name)
    return next((place for place in places if place.is_file()), None)


def _read(path: Path, origin: str) -> str:
    _check_size(path.stat().st_size, origin)
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{RECIPE} of {origin} is not UTF-8 text", hint="name another revision") from error


def _check_size(size: int, origin: str) -> None:
    if size > _LARGEST:
        raise InputError(f"{RECIPE} of {origin} has {size} bytes; no recipe is that long", hint="name another revision")


def _missing(origin: str) -> InputError:
    return InputError(
        f"{origin} has no {RECIPE}: it was not made by hubslice, or by hand",
        hint="name a student that hubslice published, or a recipe file",
    )

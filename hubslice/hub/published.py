"""The recipe of a published student, and files beside it, so that others can make it again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hubslice.errors import InputError
from hubslice.hub.client import Client
from hubslice.hub.formats import RECIPE
from hubslice.hub.listing import list_files
from hubslice.hub.pull import download
from hubslice.hub.ref import HubRef, Ref

_LARGEST = 1 << 20  # bytes


class PublishedRecipe(NamedTuple):
    """A recipe's text, and where it is from: `owner/name@commit`, or its path."""

    text: str
    origin: str


def fetch_recipe(ref: Ref, *, client: Client | None = None) -> PublishedRecipe:
    """The recipe.yaml that was published with a student, or that lies in a local folder or run.

    Raises:
        InputError: there is none, or it is not a text of reasonable size.
        FetchError: the Hub cannot be reached or does not give it.
        IntegrityError: the file is not what the Hub promised.
    """
    if isinstance(ref, HubRef):
        client = client or Client()
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


def fetch_file(ref: Ref, name: str, *, client: Client | None = None) -> Path | None:
    """A file that was published with a student, as it lies on this machine; None if there is none.

    Raises:
        FetchError: the Hub cannot be reached or does not give it.
        IntegrityError: the file is not what the Hub promised.
    """
    if isinstance(ref, HubRef):
        client = client or Client()
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

"""List everything below a folder once: images, folders, tables, and other files.

Links to files and folders are followed. Below each top-level folder, a folder is read only once, so that loops end. The
cost is one listing per folder; a file is opened only if its extension is not an image's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hubslice.modality.image.endings import has_image_ending, is_image
from hubslice.task.aside import Aside, Reason

RUN = "run.json"  # the manifest of a run folder
METADATA = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})
_LITTER_FOLDERS = frozenset(
    {"__macosx", "__pycache__", ".ipynb_checkpoints", ".git", ".hg", ".svn", ".dvc", ".cache", ".idea", ".vscode"}
    | {".venv", ".thumbnails", ".appledouble", ".spotlight-v100", ".fseventsd", ".temporaryitems", "@eadir"}
    | {"#recycle", "$recycle.bin", "lost+found", "system volume information"}
)
_LITTER_FILES = frozenset({"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "icon\r"})
# Files about a dataset that are not part of it, commonly found beside images as in any repository.
_COMPANIONS = ("readme", "license", "licence", "citation")
_COMPANION_ENDINGS = frozenset(("", ".md", ".txt", ".rst", ".cff", ".bib", ".html"))
_Seen = Literal["seen", "hidden", "litter"]
_Identity = tuple[int, int]  # of a folder: device and inode


@dataclass(frozen=True)
class Walk:
    """What is below `root`: relative paths with slashes, sorted by code point."""

    root: Path
    images: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)  # parquet files
    metadata: list[str] = field(default_factory=list)
    twice: list[tuple[str, str]] = field(default_factory=list)  # links to folders that are read as well, with targets
    aside: Aside = field(default_factory=Aside)
    _known: dict[_Identity, str] = field(default_factory=dict, repr=False)

    def path(self, place: str) -> Path:
        """Return the path of a place."""
        return self.root / place

    def text(self, place: str) -> str:
        """Return the path of a place as text, which is faster for many files."""
        return os.path.join(self.root, place)  # noqa: PTH118


@dataclass(frozen=True)
class _Folder:
    """A folder to list: its place, how it is treated, its parent folders, and those read below its top-level folder."""

    place: str
    seen: _Seen
    above: frozenset[_Identity]
    read: set[_Identity]


def walk(root: Path) -> Walk:
    """List everything below a folder.

    Raises:
        OSError: a folder cannot be listed, or a file of unknown type cannot be read.
    """
    found = Walk(root)

    def put(entry: os.DirEntry[str], place: str, seen: _Seen) -> None:
        name = entry.name
        if not place.isascii() and not _speakable(place):
            found.aside.add(Reason.UNSPEAKABLE, place)
        elif not _is_file(entry):
            found.aside.add(_no_file(entry, seen), place)
        elif seen != "seen":
            image = seen == "hidden" and has_image_ending(name) and not _is_litter(name)
            found.aside.add(Reason.HIDDEN if image else Reason.LITTER, place)
        else:
            _sort(entry, place, found)

    _descend(found, put)
    for places in (found.images, found.folders, found.tables, found.metadata):
        places.sort()
    return found


def stamps(root: Path) -> list[os.stat_result]:
    """Return the stat results of all files that `walk` visits, of every type; none is opened.

    Raises:
        OSError: a folder cannot be listed.
    """
    found: list[os.stat_result] = []

    def put(entry: os.DirEntry[str], place: str, seen: _Seen) -> None:
        if _is_file(entry):
            found.append(entry.stat())

    _descend(Walk(root), put)
    return found


def _descend(found: Walk, put: Callable[[os.DirEntry[str], str, _Seen], None]) -> None:
    """Pass everything that is not a folder to `put`. Links to folders are entered after all other folders, in order."""
    top = _identity(found.root.stat())
    todo, links = [_Folder("", "seen", frozenset({top}), set())], dict[str, tuple[os.DirEntry[str], _Folder]]()
    while todo or links:
        if not todo:
            place = min(links)
            _enter(*links.pop(place), place, found, todo)
            continue
        folder = todo.pop()
        for entry in _listed(folder, found):
            place = f"{folder.place}{entry.name}"
            if not _is_folder(entry):
                put(entry, place, folder.seen)
            elif entry.is_symlink():
                links[place] = entry, folder
            else:
                _enter(entry, folder, place, found, todo)


def _listed(folder: _Folder, found: Walk) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(found.root / folder.place) as entries:
            return list(entries)
    except PermissionError:
        if folder.seen == "seen":
            raise
        found.aside.add(Reason.LITTER if folder.seen == "litter" else Reason.HIDDEN, folder.place)  # lost+found
        return []


def _enter(entry: os.DirEntry[str], folder: _Folder, place: str, found: Walk, todo: list[_Folder]) -> None:
    identity = _identity(entry.stat())
    if identity in folder.above or identity in folder.read:
        found.aside.add(Reason.LOOP, place)
        return
    seen: _Seen = folder.seen
    if seen != "litter":
        lower = entry.name.lower()
        litter = lower in _LITTER_FOLDERS or lower.startswith(".trash")
        seen = "litter" if litter else "hidden" if lower.startswith(".") else seen
    if seen == "seen" and os.path.isfile(os.path.join(entry.path, RUN)):  # noqa: PTH113, PTH118  # of text
        found.aside.add(Reason.RUN, f"{place}/")
        return
    if seen == "seen":
        found.folders.append(place)
        first = found._known.setdefault(identity, place)
        if first != place and entry.is_symlink():
            found.twice.append((place, first))
    read = folder.read if folder.place else set()
    read.add(identity)
    todo.append(_Folder(f"{place}/", seen, folder.above | {identity}, read))


def _sort(entry: os.DirEntry[str], place: str, found: Walk) -> None:
    """Put a visible file into its list."""
    name = entry.name
    if _is_litter(name):
        found.aside.add(Reason.LITTER, place)
    elif name.startswith("."):
        found.aside.add(Reason.HIDDEN if has_image_ending(name) else Reason.LITTER, place)
    elif has_image_ending(name):
        found.images.append(place)
    elif name in METADATA:
        found.metadata.append(place)
    elif name.lower().endswith(".parquet"):
        found.tables.append(place)
    elif is_image(entry.path):
        found.images.append(place)
    else:
        found.aside.add(Reason.UNKNOWN, place)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _no_file(entry: os.DirEntry[str], seen: _Seen) -> Reason:
    if seen == "litter":
        return Reason.LITTER
    return Reason.BROKEN if entry.is_symlink() else Reason.SPECIAL


def _is_litter(name: str) -> bool:
    lower = name.lower()
    stem, dot, ending = lower.partition(".")
    companion = stem in _COMPANIONS and f"{dot}{ending}" in _COMPANION_ENDINGS
    return lower.startswith("._") or lower in _LITTER_FILES or companion or lower == "dataset_infos.json"


def _speakable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino

"""Detect how a data folder is to be read: class folders, parquet files, a dataset repository, or a saved `Dataset`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from glob import escape
from pathlib import Path
from typing import Any, Literal

from hubslice.core.errors import DataError
from hubslice.core.escaping import named
from hubslice.task.aside import some, tell
from hubslice.task.data_card import CARD, SETTINGS, read_said
from hubslice.task.loading import load
from hubslice.task.parquet_size import rows_of
from hubslice.task.saved import SPLITS, STATE, read_saved
from hubslice.task.split_words import split_of
from hubslice.task.walk import Walk, walk

Kind = Literal["saved", "repository", "parquet", "images"]

# Descriptions for users.
WORDS: Mapping[Kind, str] = {
    "saved": "as what save_to_disk wrote",
    "repository": "as a data-set repository",
    "parquet": "as parquet",
    "images": "as a folder of images",
}


def kind_of(folder: Path) -> Kind:
    """Return the folder's kind, as found by `look`."""
    return look(folder)[0]


def look(folder: Path) -> tuple[Kind, Walk | None]:
    """Return the folder's kind, and its files if they had to be listed.

    A repository is a folder whose card names its files or columns, or one with parquet files and no more images than
    parquet files. Class folders of images with any other card are an image folder.

    Raises:
        OSError: a folder cannot be listed.
    """
    if any((folder / name).is_file() for name in (SPLITS, STATE)):
        return "saved", None
    if _declared(folder):
        return "repository", None
    walked = walk(folder)
    if any("/" not in place for place in walked.tables):
        return "parquet", walked
    return ("repository" if len(walked.tables) > len(walked.images) else "images"), walked


def read_folder(folder: Path, kind: Kind, walked: Walk | None) -> Mapping[str, Any]:
    """Read the splits by name with `datasets`; for folders of images see `image_folder`.

    Raises:
        DataError: only some parquet files are named after splits, or a file unpacks to far more than its size.
        Exception: anything that `datasets` raises for files that it cannot read.
    """
    splits: Mapping[str, Any]
    if kind == "saved":
        splits = read_saved(folder)
    elif kind == "repository":
        if escape(str(folder)) != str(folder):  # `datasets` treats it as a pattern and would find nothing
            raise ValueError("the signs *, ? and [ in its path stand for patterns there; rename the folder")
        splits = load(str(folder))
    else:  # given a folder, `datasets` reads every file as parquet, or only those named after splits
        splits = load("parquet", data_files=_tables(walked or walk(folder)))
    return splits


def _tables(walked: Walk) -> dict[str, list[str]]:
    """Return the parquet files by the split in their names; `train` if no name contains one.

    Words common to all names are ignored: `crash-test-train` and `crash-test-val`.
    """
    empty = [place for place in walked.tables if not rows_of(walked.path(place))]
    if empty:  # `datasets` fails on them, and other programs write them for empty partitions
        tell(f"{named(walked.root)}: parquet files without rows are left out: {some(empty)}")
    said = {place: _splits_in(place) for place in walked.tables if place not in empty}
    if not said:
        raise ValueError("its files have no rows")
    common = set.intersection(*map(set, said.values()))
    found: dict[str, list[str]] = {}
    for place, every in said.items():
        own = [split for split in every if split not in common] or every
        if len(own) > 1 and len(said) > 1:
            raise DataError(
                f"{named(place)} in {named(walked.root)} is called like several splits: {', '.join(own)}",
                hint="rename it so that one word says its split, or name data.path the file that you mean",
            )
        found.setdefault(own[0] if own else "train", []).append(escape(walked.text(place)))
    unnamed = [place for place, every in said.items() if not every]
    if unnamed and len(unnamed) < len(said):
        raise DataError(
            f"some parquet files in {named(walked.root)} are called like splits, and not {some(unnamed)}",
            hint="name data.path the file that you mean, or rename or move the others",
        )
    return found


def _splits_in(place: str) -> list[str]:
    """Return the splits that are words of a path, without duplicates."""
    words = re.split(r"[-_.\s/]", place.rpartition(".")[0])
    return list(dict.fromkeys(split for word in words if (split := split_of(word))))


def content(folder: Path) -> list[Path]:
    """Return the files that contain or describe data, sorted.

    Other hidden files are ignored, such as those of git and the Hub's client in a clone.
    """
    settings = folder / SETTINGS
    return sorted([*_seen(folder), *([settings] if settings.is_file() else [])])


def _seen(folder: Path, ending: str = "") -> list[Path]:
    return [
        path
        for path in folder.rglob(f"*{ending}")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.is_file()
    ]


def _declared(folder: Path) -> bool:
    """Return whether the card of a repository declares the files of splits, or the columns."""
    if (folder / SETTINGS).is_file():
        return True
    try:
        said = read_said(folder / CARD, named(folder)) if (folder / CARD).is_file() else {}
    except (DataError, OSError):  # unreadable metadata matters only if `datasets` reads it
        return False
    return bool(said.get("configs") or said.get("dataset_info"))

"""Read a folder of images as splits: classes from its subfolders, or from a metadata file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from hubslice.core.errors import DataError
from hubslice.recipe.schema import DataParams
from hubslice.task.aside import Reason, number, some, tell
from hubslice.task.class_folders import ALLOW, classes_of, layout_of, order, tell_splits
from hubslice.task.folder_metadata import IMAGE, Row, read_metadata
from hubslice.task.labels import normal
from hubslice.task.walk import Walk

LABEL = "label"


@dataclass(frozen=True)
class ImageFolder:
    """The splits by name, a hash of all their files, and the number of files left out, by reason."""

    splits: Mapping[str, Any]  # datasets.Dataset
    fingerprint: str
    left_out: dict[str, int]


def read_images(walked: Walk, params: DataParams) -> ImageFolder:
    """Read the files found in a folder, and report what is left out of it.

    Raises:
        DataError: there are no images, or too much is left out, or the layout is ambiguous.
        OSError: a file cannot be read.
        ValueError: the metadata cannot be read.
    """
    for place in walked.tables:
        walked.aside.add(Reason.UNKNOWN, place)
    if not walked.images and not walked.metadata:
        walked.aside.tell(params.path)
        raise DataError(
            f"{params.path} cannot be read as a folder of images: it holds none",
            hint="data.path takes a folder with class/image.png, a parquet file, a data set's Hub id, or a folder of a "
            "data-set repository",
        )
    splits, used = _by_metadata(walked, params) if walked.metadata else _by_folders(walked, params)
    walked.aside.check(params.path, len(used), allowed=params.allow_skipped, mend=f"mend the folder, or {ALLOW}")
    walked.aside.tell(params.path)
    if walked.twice:
        links = some([f"{link} ({folder})" for link, folder in walked.twice])
        tell(f"{params.path}: images are read twice, through links to folders that are read as well: {links}")
    return ImageFolder(splits, _fingerprint(walked, [*used, *walked.metadata]), walked.aside.counts())


def file_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:  # noqa: PTH123  # of text: a folder has many thousands
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_folders(walked: Walk, params: DataParams) -> tuple[dict[str, Any], list[str]]:
    layout = layout_of(walked.images, params.path)
    rows = classes_of(walked.images, walked.folders, layout, params.path, walked.aside, allowed=params.allow_skipped)
    tell_splits(layout, params.path)
    labels = order(rows)
    index = {label: at for at, label in enumerate(labels)}
    splits = {}
    for split, found in rows.items():
        places = [place for place, _ in found]
        targets = [index[label] for _, label in found]
        splits[split] = _table(walked, places, {LABEL: targets}, split, labels)
    return splits, [place for found in rows.values() for place, _ in found]


def _by_metadata(walked: Walk, params: DataParams) -> tuple[dict[str, Any], list[str]]:
    metadata = read_metadata(walked, params.label, params.path)
    rows = metadata.rows
    if not rows:
        missing = walked.aside.of(Reason.MISSING)
        raise DataError(
            f"the metadata of {params.path} names {number(len(missing), 'file', 'files')}, none of which is there: "
            f"{some(missing)}",
            hint="paths in column file_name are relative to the metadata file, with their endings",
        )
    layout = layout_of([place for place, _ in rows], params.path, walked.metadata)
    labelled = params.label != LABEL or any(LABEL in row for _, row in rows)
    by_folder = not labelled and len({layout.label(place) for place, _ in rows}) > 1  # as for class folders
    by_split: dict[str, list[tuple[str, Row]]] = {}
    for place, row in rows:
        split = layout.split(place)
        if split is None:
            walked.aside.add(Reason.BESIDE, place)
        else:
            by_split.setdefault(split, []).append((place, row | {LABEL: layout.label(place)} if by_folder else row))
    tell_splits(layout, params.path)
    names = dict.fromkeys(name for found in by_split.values() for _, row in found for name in row if name != IMAGE)
    splits = {}
    for split, found in by_split.items():
        columns = {name: _of_one_type([row.get(name) for _, row in found]) for name in names}
        places = [place for place, _ in found]
        splits[split] = _table(walked, places, columns, split, metadata.classes, label=params.label)
    return splits, [place for found in by_split.values() for place, _ in found]


def _of_one_type(values: list[Any]) -> list[Any]:
    """Return the values with one type, as Arrow requires: numbers mixed with text become text; NaN becomes None."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) < 2 or kinds == {int, float}:
        return values
    return [None if value is None or value != value else str(value) for value in values]


def _table(
    walked: Walk,
    places: list[str],
    columns: dict[str, list[Any]],
    split: str,
    labels: Sequence[str] | None,
    *,
    label: str = LABEL,
) -> Any:
    """Return the rows of a split; `labels` names the classes if the column `label` contains their indices."""
    images = [{"bytes": None, "path": walked.text(place)} for place in places]
    rows = datasets.Dataset.from_dict({IMAGE: images, **columns}, split=datasets.NamedSplit(split))
    features = rows.features | {IMAGE: datasets.Image(decode=False)}
    if labels is not None:
        features |= {label: datasets.ClassLabel(names=list(labels))}
    return rows.cast(datasets.Features(features))


def _fingerprint(walked: Walk, places: list[str]) -> str:
    """Return a hash of the files' paths and contents; the paths do not depend on the platform."""
    digest = hashlib.sha256()
    for place in sorted(set(places), key=lambda place: place.split("/")):
        digest.update(f"{normal(place)} {file_hash(walked.text(place))}\n".encode())
    return digest.hexdigest()

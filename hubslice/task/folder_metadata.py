"""Read `metadata.csv`, `.jsonl` or `.parquet` beside images: file names with labels and other columns."""

from __future__ import annotations

import csv
import json
import posixpath
import re
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

import datasets
from datasets.exceptions import DatasetsError

from hubslice.core.errors import DataError
from hubslice.core.foreign_errors import message_of
from hubslice.task.aside import Aside, Reason, some, tell
from hubslice.task.labels import normal
from hubslice.task.loading import load
from hubslice.task.walk import Walk

FILE, IMAGE = "file_name", "image"
LARGEST = 512 << 20  # bytes of a metadata file, which is read into memory
_WHOLE, _DECIMAL = re.compile(r"0|-?[1-9][0-9]*"), re.compile(r"-?[0-9]+\.[0-9]+|nan")

Row = dict[str, Any]


@dataclass(frozen=True)
class Metadata:
    """The image's path and the other columns of every row; `classes` are class names for labels stored as numbers."""

    rows: list[tuple[str, Row]]
    classes: tuple[str, ...] | None


def read_metadata(walked: Walk, label: str, source: str) -> Metadata:
    """Read the rows of all metadata files; `label` is the column of labels.

    Images without a row and rows without a file are left out and recorded.

    Raises:
        DataError: a file is not such a table or cannot be read, or several files do not fit together.
    """
    places = {normal(place): place for place in walked.images}
    rows: list[tuple[str, Row]] = []
    columns: dict[frozenset[str], str] = {}
    by_folder: dict[str, str] = {}
    classes: dict[tuple[str, ...] | None, str] = {}
    for table in walked.metadata:
        folder = posixpath.dirname(table)
        if folder in by_folder:
            raise DataError(f"{source} holds {by_folder[folder]} and {table}", hint="keep one of them")
        by_folder[folder] = table
        found, named = _rows_of(walked.path(table), table, source)
        classes.setdefault(named.get(label), table)
        for row in found[:1]:
            _check_columns(row, table, source, columns)
        for number, row in enumerate(found):
            name = str(row.pop(FILE, None) or f"(no name in row {number})")
            place = _find(name, folder, places, walked)
            if place is None:
                walked.aside.add(Reason.MISSING, posixpath.join(folder, name))
            else:
                rows.append((place, row))
    if len(classes) > 1:
        raise DataError(
            f"{' and '.join(list(classes.values())[:2])} of {source} have different classes", hint="give them the same"
        )
    _account(rows, walked.images, walked.aside, source)
    return Metadata(rows, next(iter(classes), None))


def _check_columns(row: Row, table: str, source: str, columns: dict[frozenset[str], str]) -> None:
    if FILE not in row:
        raise DataError(
            f"{table} of {source} has no column {FILE!r}; its columns are {', '.join(map(str, row))}",
            hint=f"name the column with the images' paths {FILE}; columns of a .csv file are separated by commas",
        )
    columns.setdefault(frozenset(row), table)
    if len(columns) > 1:
        raise DataError(
            f"{' and '.join(list(columns.values())[:2])} of {source} have different columns", hint="give them the same"
        )


def _find(name: str, folder: str, places: dict[str, str], walked: Walk) -> str | None:
    """Find the image's path below the metadata's folder, with any Unicode normalisation and Windows separators.

    An absolute path counts if it leads into the folder.
    """
    for written in (name, name.replace("\\", "/")):
        place = posixpath.normpath(posixpath.join(folder, written))
        if place.startswith("/"):
            place = posixpath.relpath(place, walked.root.absolute().as_posix())
        if place.startswith(("..", "/")):
            continue
        known = places.get(normal(place))
        if known is not None:
            return known
        if walked.path(place).is_file():  # hidden or of unknown type, but named explicitly
            walked.aside.take(place)
            return place
    return None


def _account(rows: list[tuple[str, Row]], images: list[str], aside: Aside, source: str) -> None:
    named: dict[str, int] = {}
    for place, _ in rows:
        named[place] = named.get(place, 0) + 1
    for place in images:
        if place not in named:
            aside.add(Reason.UNNAMED, place)
    twice = [place for place, times in named.items() if times > 1]
    if twice:
        tell(f"{source}: the metadata names {len(twice):,} images more than once: {some(twice)}")


def _rows_of(path: Path, table: str, source: str) -> tuple[list[Row], dict[str, tuple[str, ...]]]:
    """Return the rows, and by column the class names for its numbers."""
    try:
        rows, classes = _read(path)
    except (DatasetsError, ValueError, csv.Error) as error:
        raise DataError(
            f"{table} of {source} cannot be read: {message_of(error.__cause__ or error)}",
            hint="tables are UTF-8, columns of a .csv file are separated by commas, and a line of a .jsonl file is an "
            "object",
        ) from error
    odd = next((number for number, row in enumerate(rows) if not isinstance(row, dict)), None)
    if odd is not None:
        raise DataError(
            f"{table} of {source} holds {str(rows[odd])[:40]!r} where row {odd} should be, counted from 0",
            hint='a line of a .jsonl file is an object: {"file_name": ..., "label": ...}',
        )
    if not rows:
        raise DataError(f"{table} of {source} has no rows", hint="fill it, or remove it to read the class folders")
    return rows, classes


def _read(path: Path) -> tuple[list[Row], dict[str, tuple[str, ...]]]:
    if path.suffix != ".parquet" and (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"it has {size >> 20:,} MiB, and may have {LARGEST >> 20}; write it as .parquet")
    if path.suffix == ".parquet":
        found = load("parquet", data_files=escape(str(path)))["train"]
        features = found.features.items()
        return found.to_list(), {name: tuple(f.names) for name, f in features if isinstance(f, datasets.ClassLabel)}
    if path.suffix == ".jsonl":
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return [json.loads(line) for line in lines if line.strip()], {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file, restkey="(columns without a name)"))
    for column in table[0] if table else ():
        if column != FILE:
            _typed(table, column)
    return table, {}


def _typed(table: list[Row], column: str) -> None:
    """Convert text to numbers if the whole column is numeric; `007` stays text. An empty cell becomes None."""
    values = [row.get(column) or None for row in table]
    given = [value for value in values if value is not None]
    kind: type = str
    if given and all(isinstance(value, str) and _WHOLE.fullmatch(value) for value in given):
        kind = int
    elif given and all(isinstance(v, str) and (_WHOLE.fullmatch(v) or _DECIMAL.fullmatch(v.lower())) for v in given):
        kind = float
    for row, value in zip(table, values, strict=True):
        row[column] = None if value is None else kind(value)

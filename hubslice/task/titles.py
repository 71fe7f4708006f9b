"""Titles of samples in lists, images and pages, so that users can identify them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import datasets
import pyarrow.compute as pc

from hubslice.core.escaping import named
from hubslice.task.labels import class_names

_LONGEST: Final = 40  # characters of a file or class name
_AT_ONCE: Final = 1000  # rows


def title(name: str | None, row: int) -> str:
    """Return `leaf.png, row 3`, or `row 3` without a name; long names are cut. Rows count from 0."""
    told = named(name)[:_LONGEST] if name else ""
    return f"{told}, row {row}" if told else f"row {row}"


def titles(rows: Any, image: str, label: str) -> tuple[str, ...]:
    """Return the titles of a table's rows (`datasets.Dataset`): by the image's file name, else by the class."""
    files, classes = _files(rows, image), _classes(rows, label)
    return tuple(title(file or name, row) for row, (file, name) in enumerate(zip(files, classes, strict=True)))


def _files(rows: Any, image: str) -> Iterator[str | None]:
    """Yield the name of each image's file, without folders; None if the table has none."""
    for batch in rows.select_columns([image]).with_format("arrow").iter(batch_size=_AT_ONCE):
        for path in pc.struct_field(batch[image], "path").to_pylist():
            yield re.split(r"[\\/]", path)[-1] if path else None


def _classes(rows: Any, label: str) -> Sequence[str | None]:
    feature = rows.features.get(label)
    if feature is None:
        return [None] * len(rows)
    column = rows[label][:]
    if isinstance(feature, datasets.ClassLabel):
        known = dict(enumerate(feature.names))
        return [known.get(value) for value in column]
    return class_names(column)

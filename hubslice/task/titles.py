"""What samples are called in lists, images and pages, so that people know which ones are meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import datasets
import pyarrow.compute as pc

from hubslice.core.escaping import named
from hubslice.task.labels import class_names

_LONGEST: Final = 40  # characters of a file's or a class's name
_AT_ONCE: Final = 1000  # rows


def title(name: str | None, row: int) -> str:
    """`leaf.png, row 3`, or `row 3` where there is no name; a long name is cut. Rows count from 0."""
    told = named(name)[:_LONGEST] if name else ""
    return f"{told}, row {row}" if told else f"row {row}"


def titles(rows: Any, image: str, label: str) -> tuple[str, ...]:
    """The titles of the rows of a table (`datasets.Dataset`): by the file of the image, else by the class."""
    files, classes = _files(rows, image), _classes(rows, label)
    return tuple(title(file or name, row) for row, (file, name) in enumerate(zip(files, classes, strict=True)))


def _files(rows: Any, image: str) -> Iterator[str | None]:
    """The name of each image's file, without folders; None where the table knows none."""
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

"""Folders of tiny images, written from a list of places, and what hubslice makes of them."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from hubslice.core.errors import HubsliceWarning
from hubslice.recipe.schema import DataParams
from hubslice.task.opening import open_tables
from hubslice.task.table import Table


def content(kind: str = "PNG", colour: str = "red") -> bytes:
    """A file of 8 x 8 pixels."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, kind)
    return file.getvalue()


PNG = content()


def write(root: Path, places: Iterable[str], data: bytes = PNG) -> Path:
    """The same file at all these places; a place that ends with a slash is an empty folder."""
    for place in places:
        path = root / place
        if place.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def several(folder: str, count: int = 20, ending: str = ".png") -> list[str]:
    """Places of so many images in a folder."""
    return [f"{folder}/{number:02d}{ending}" for number in range(count)]


def read(root: Path, **params: object) -> tuple[dict[str, Table], list[str]]:
    """The tables of the folder, and the lines that are told."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tables = open_tables(DataParams.model_validate({"path": root.name, **params}), root.parent)[0]
    assert all(issubclass(each.category, HubsliceWarning) for each in caught)
    return tables, [str(each.message) for each in caught]


def classes(tables: dict[str, Table]) -> dict[str, dict[str, int]]:
    """How many rows of which class each split has."""
    return {
        split: dict(Counter(table.labels[target] for target in table.targets().tolist()))
        for split, table in tables.items()
    }


CAT, DOG = several("cat"), several("dog")
TWO = {"cat": 20, "dog": 20}

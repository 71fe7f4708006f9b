"""The input column of a task: the contents of its cells, and how they are read."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic

import datasets
from PIL import Image

from hubslice.modality.image.reading import read_rgb
from hubslice.modality.modality import Raw
from hubslice.recipe.schema import DataParams
from hubslice.recipe.transparency import Transparency

Locate = Callable[[str], Path]  # locates the file of a path in a cell


class Cells(ABC, Generic[Raw]):
    """Cells of one kind, as `datasets` returns them."""

    one: ClassVar[str]  # the noun for a cell's contents

    @abstractmethod
    def cast(self, rows: Any, column: str) -> Any:
        """Cast the column of the rows (`datasets.Dataset`) for `read`.

        Raises:
            RuntimeError, TypeError, ValueError: the column contains something else.
        """

    @abstractmethod
    def empty(self, cell: Any) -> bool:
        """Return whether the cell has no input."""

    @abstractmethod
    def stored(self, cell: Any, locate: Locate) -> bytes | Path:
        """Return the stored input of a non-empty cell: its bytes, or the path of its file."""

    @abstractmethod
    def read(self, cell: Any, locate: Locate) -> Raw:
        """Read the input of a non-empty cell; must not be modified.

        Raises:
            Exception: anything that a library raises for a broken file.
        """

    @abstractmethod
    def path(self, cell: Any) -> str | None:
        """Return the path of the file that a non-empty cell refers to instead of containing the input."""

    @abstractmethod
    def size(self, item: Raw) -> int:
        """Return the size of an input in memory, in bytes."""


class ImageCells(Cells[Image.Image]):
    """RGB images: cells contain the `bytes` of an image file, or its `path`."""

    one = "image"

    def __init__(self, transparency: Transparency) -> None:
        self.transparency = transparency

    def cast(self, rows: Any, column: str) -> Any:
        return rows.cast_column(column, datasets.Image(decode=False))  # decoded by `read_rgb`

    def empty(self, cell: Any) -> bool:
        return not cell or (cell["bytes"] is None and not cell["path"])

    def stored(self, cell: Any, locate: Locate) -> bytes | Path:
        return bytes(cell["bytes"]) if cell["bytes"] is not None else locate(cell["path"])

    def read(self, cell: Any, locate: Locate) -> Image.Image:
        stored = self.stored(cell, locate)
        return read_rgb(io.BytesIO(stored) if isinstance(stored, bytes) else stored, self.transparency)

    def path(self, cell: Any) -> str | None:
        return str(cell["path"]) if cell["bytes"] is None else None

    def size(self, item: Image.Image) -> int:
        return 3 * item.width * item.height


def cells_of(params: DataParams) -> Cells[Any]:
    """Return the kind of cells in which a task's inputs are stored."""
    return ImageCells(params.transparency)

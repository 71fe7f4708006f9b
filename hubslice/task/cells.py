"""The column with a task's inputs: what its cells hold, and how they are read."""

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

Locate = Callable[[str], Path]  # where the file of a path lies that a cell names


class Cells(ABC, Generic[Raw]):
    """Cells of one kind, as `datasets` gives them."""

    one: ClassVar[str]  # what a cell holds

    @abstractmethod
    def cast(self, rows: Any, column: str) -> Any:
        """The rows (`datasets.Dataset`) with the column as `read` wants it.

        Raises:
            RuntimeError, TypeError, ValueError: it holds something else.
        """

    @abstractmethod
    def empty(self, cell: Any) -> bool:
        """Whether there is no input."""

    @abstractmethod
    def stored(self, cell: Any, locate: Locate) -> bytes | Path:
        """The input of a cell that is not empty, as it is stored: its bytes, or the file that holds it."""

    @abstractmethod
    def read(self, cell: Any, locate: Locate) -> Raw:
        """The input of a cell that is not empty; not to be changed.

        Raises:
            Exception: whatever a library stumbles over in a broken file.
        """

    @abstractmethod
    def path(self, cell: Any) -> str | None:
        """The path of the file that a cell, which is not empty, names in place of holding the input."""

    @abstractmethod
    def size(self, item: Raw) -> int:
        """How many bytes an input takes in memory."""


class ImageCells(Cells[Image.Image]):
    """Images in RGB: cells are the `bytes` of their files, or the `path` where one lies."""

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
    """How the inputs of a task are stored."""
    return ImageCells(params.transparency)

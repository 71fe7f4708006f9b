"""A table of labelled inputs: one stored split of a dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from hubslice.core.errors import DataError
from hubslice.core.escaping import named
from hubslice.core.foreign_errors import message_of
from hubslice.recipe.schema import DataParams
from hubslice.task.cells import Cells, cells_of
from hubslice.task.labels import class_names
from hubslice.task.titles import titles

KEPT_BYTES = 256 * 2**20  # of decoded inputs; for each process that loads data
_TOLD = 5  # number of rows listed in an error


class _Kept:
    """A cache of decoded inputs by row: the first ones, as far as there is memory for them."""

    def __init__(self) -> None:
        self._items: dict[int, Any] = {}
        self._left = KEPT_BYTES

    def get(self, row: int) -> Any:
        return self._items.get(row)

    def offer(self, row: int, item: Any, size: int) -> None:
        if size <= self._left and row not in self._items:
            self._items[row] = item
            self._left -= size


@dataclass(frozen=True)
class Table:
    """One stored split of a dataset: its rows, class names, and the columns that hubslice reads.

    Inputs of small data stay decoded: training reads them many times, and decoding would take as long as training.
    Paths in the rows are relative to `beside`, a folder; paths of Hub data must be `within` folders of its caches.
    `left_out` counts the files of a folder that are not rows, by reason.
    """

    rows: Any  # datasets.Dataset
    labels: tuple[str, ...]
    params: DataParams
    beside: Path | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    within: tuple[Path, ...] | None = None
    _kept: _Kept = field(default_factory=_Kept, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def cells(self) -> Cells[Any]:
        """The kind of cells in which its inputs are stored."""
        return cells_of(self.params)

    @property
    def named(self) -> bool:
        """Whether the data itself names its classes and their order; otherwise they come from the rows."""
        return isinstance(self.rows.features.get(self.params.label), datasets.ClassLabel)

    def targets(self) -> np.ndarray:
        """Class index of every row, int64 [rows].

        Raises:
            DataError: a row has no label, or one beyond the classes that the data names.
        """
        column = self.rows[self.params.label][:]
        if self.named:
            found = [-1 if value is None else value for value in column]
        else:
            known = {name: index for index, name in enumerate(self.labels)}
            found = [known.get(name or "", -1) for name in class_names(column)]
        targets = np.array(found, dtype=np.int64)
        if targets.min(initial=0) < 0:
            raise self._unlabelled(np.flatnonzero(targets < 0))
        if targets.max(initial=0) >= len(self.labels):
            raise DataError(
                f"{self.name(int(targets.argmax()))} has the label {targets.max()}, counted from 0, and column "
                f"'{self.params.label}' names only {len(self.labels)} classes",
                hint="mend the data set's class names",
            )
        return targets

    def _unlabelled(self, rows: np.ndarray) -> DataError:
        """Return the error that these rows have no label, showing their values."""
        first, value = int(rows[0]), self.rows[int(rows[0])][self.params.label]
        held = "" if value is None else f" ({value!r} there is none)"
        names = [self.name(int(row)) if self._stored_path(int(row)) else str(row) for row in rows[:_TOLD]]
        rest = f" and {len(rows) - _TOLD:,} more" if len(rows) > _TOLD else ""
        more = f"; {len(rows):,} of {len(self):,} rows have none: {', '.join(names)}{rest}" if len(rows) > 1 else ""
        return DataError(
            f"{self.name(first)} has no label in column '{self.params.label}'{held}{more}",
            hint="remove the rows without a label, or name another column with data.label",
        )

    def groups(self) -> np.ndarray:
        """Group number of every row, int64 [rows]; a row without a group is its own group."""
        if self.params.group is None:
            return np.arange(len(self), dtype=np.int64)
        names = [f"row {row}" if name is None else f"group {name}" for row, name in enumerate(self._grouped())]
        _, numbers = np.unique(np.array(names), return_inverse=True)
        return numbers.astype(np.int64)

    def group_names(self, rows: np.ndarray) -> set[str]:
        """Return the data's names of the groups that these rows belong to."""
        names = self._grouped()
        return {name for row in rows if (name := names[int(row)]) is not None}

    def alone(self) -> int:
        """Return the number of rows without a group, if others have one."""
        return 0 if self.params.group is None else self._grouped().count(None)

    def _grouped(self) -> list[str | None]:
        """Return the group name of every row; None for missing values, NaN and empty text."""
        column = self.rows[self.params.group][:]
        return [None if each is None or each != each or not str(each).strip() else str(each) for each in column]

    def name(self, row: int) -> str:
        """Return how to find a row: its file, or its number (from 0) and the split if the dataset has several."""
        path = self._stored_path(row)
        if path:
            return named(path)
        split = f", split {self.rows.split}" if isinstance(self.params.splits.test, str) else ""
        return f"row {row} of {self.params.path}{split}"

    def titles(self) -> tuple[str, ...]:
        """Titles of the rows for users, without duplicates."""
        return titles(self.rows, self.params.image, self.params.label)

    def item(self, row: int) -> Any:
        """Return the row's input as `cells` reads it; must not be modified.

        Raises:
            DataError: it cannot be read.
        """
        item = self._kept.get(int(row))
        if item is None:
            item = self._read(row)
            self._kept.offer(int(row), item, self.cells.size(item))
        return item

    def stored(self, row: int) -> bytes | Path:
        """Return the row's stored input: its bytes, or the path of its file.

        Raises:
            DataError: the row has none.
        """
        cell = self._cell(row)
        if self.cells.empty(cell):
            raise DataError(f"{self.name(row)} has no {self.cells.one}", hint="remove the row, or name another column")
        return self.cells.stored(cell, self.locate)

    def _read(self, row: int) -> Any:
        cell = self._cell(row)
        try:
            if self.cells.empty(cell):
                raise ValueError(f"column '{self.params.image}' is empty there")
            return self.cells.read(cell, self.locate)
        except DataError:
            raise
        except Exception as error:  # libraries may raise anything for broken files
            raise DataError(
                f"{self.name(row)} has no readable {self.cells.one}: {message_of(error)}",
                hint="mend or remove it, or name another column with data.image",
            ) from error

    def locate(self, path: str) -> Path:
        """Locate the file of this path: beside the table, else in the current folder.

        Raises:
            FileNotFoundError: it is in neither; the message says where it was looked for.
            DataError: the table is from the Hub and the file is not.
        """
        if "://" in path:
            raise ValueError(f"{named(path)} is an address, and images are not fetched from addresses")
        if self.within is not None:
            lies = Path(os.path.normpath(Path(path).absolute()))  # without following links: caches consist of links
            if not any(lies.is_relative_to(folder.absolute()) for folder in self.within):
                raise DataError(
                    f"a row of {self.params.path}, which is from the Hub, names a file of this machine: {named(path)}",
                    hint="take it for an attempt to have that file read; a data set holds its images, or lies beside "
                    "them: if you trust it, fetch it and set data.path to its folder",
                )
            return lies
        if self.beside is None or Path(path).is_absolute():
            return Path(path)
        tried = [folder / written for folder in (self.beside, Path()) for written in (path, path.replace("\\", "/"))]
        found = next((each for each in tried if each.is_file()), None)
        if found is None:
            raise FileNotFoundError(
                f"No such file; the path is relative, and there is nothing at {named(tried[0])} (beside the table) nor "
                f"at {named(tried[2].absolute())} (in the current folder)"
            )
        return found

    def _stored_path(self, row: int) -> str | None:
        """Return the path of the row's file if the row does not contain the file itself."""
        cell = self._cell(row)
        return None if self.cells.empty(cell) else self.cells.path(cell)

    def _cell(self, row: int) -> Any:
        return self.rows[int(row)][self.params.image]

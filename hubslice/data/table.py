"""Opening a labelled picture table: a parquet file, a folder or a Hub data set."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import yaml
from datasets.exceptions import DatasetsError
from PIL import Image

from hubslice.data.folder import WORDS, content, kind_of, read_folder
from hubslice.data.hub import from_hub
from hubslice.data.picture import read_rgb
from hubslice.errors import DataError
from hubslice.recipe.paths import place, resolve_path
from hubslice.recipe.schema import DataParams

_ODD_CARD = (yaml.YAMLError, AttributeError, LookupError)  # what `datasets` raises over a card of a shape of its own
KEPT_BYTES = 256 * 2**20  # of decoded pictures; every process that loads data may keep as many


class _Kept:
    """Decoded pictures by row: the first ones, as far as there is room."""

    def __init__(self) -> None:
        self._pictures: dict[int, Image.Image] = {}
        self._room = KEPT_BYTES

    def get(self, row: int) -> Image.Image | None:
        return self._pictures.get(row)

    def offer(self, row: int, picture: Image.Image) -> None:
        size = 3 * picture.width * picture.height
        if size <= self._room and row not in self._pictures:
            self._pictures[row] = picture
            self._room -= size


@dataclass(frozen=True)
class Table:
    """One split of a data set as stored: its rows, class names, and the columns that hubslice reads.

    Pictures of small data stay decoded: a training reads them many times, and decoding would take as long as training.
    """

    rows: Any  # datasets.Dataset
    labels: tuple[str, ...]
    params: DataParams
    _kept: _Kept = field(default_factory=_Kept, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def targets(self) -> np.ndarray:
        """Class index of every row, int64 [rows].

        Raises:
            DataError: a row has no label, or one beyond the classes that the data names.
        """
        column = self.rows[self.params.label]
        if isinstance(self.rows.features[self.params.label], datasets.ClassLabel):
            found = [-1 if value is None else value for value in column]
        else:
            known = {name: index for index, name in enumerate(self.labels)}
            found = [known.get(str(value), -1) if value is not None else -1 for value in column]
        targets = np.array(found, dtype=np.int64)
        if targets.min(initial=0) < 0:
            count, first = int((targets < 0).sum()), self.name(int((targets < 0).argmax()))
            more = f"; {count:,} of {len(self):,} rows have none" if count > 1 else ""
            raise DataError(
                f"{first} has no label in column '{self.params.label}'{more}",
                hint="remove the rows without a label, or name another column with data.label",
            )
        if targets.max(initial=0) >= len(self.labels):
            raise DataError(
                f"{self.name(int(targets.argmax()))} has the label {targets.max()}, counted from 0, and column "
                f"'{self.params.label}' names only {len(self.labels)} classes",
                hint="mend the data set's class names",
            )
        return targets

    def groups(self) -> np.ndarray:
        """Group number of every row, int64 [rows]; every row is its own group where the recipe names none."""
        if self.params.group is None:
            return np.arange(len(self), dtype=np.int64)
        _, numbers = np.unique(np.array([str(g) for g in self.rows[self.params.group]]), return_inverse=True)
        return numbers.astype(np.int64)

    def group_names(self, rows: np.ndarray) -> set[str]:
        """The groups that these rows belong to, as the data calls them."""
        column = self.rows[self.params.group]
        return {str(column[int(row)]) for row in rows}

    def name(self, row: int) -> str:
        """How to find a row: its file, or its number (from 0) and the split of the data set where it has several."""
        stored = self._stored(row)
        if stored and stored["bytes"] is None and stored["path"]:
            return str(stored["path"])
        split = f", split {self.rows.split}" if isinstance(self.params.splits.test, str) else ""
        return f"row {row} of {self.params.path}{split}"

    def picture(self, row: int) -> Image.Image:
        """The row's picture in RGB, as `read_rgb` gives it; not to be changed.

        Raises:
            DataError: the picture cannot be read.
        """
        picture = self._kept.get(int(row))
        if picture is None:
            picture = self._read(row)
            self._kept.offer(int(row), picture)
        return picture

    def _read(self, row: int) -> Image.Image:
        stored = self._stored(row) or {"bytes": None, "path": None}
        try:
            if stored["bytes"] is not None:
                return read_rgb(io.BytesIO(stored["bytes"]), self.params.transparency)
            if stored["path"]:
                return read_rgb(Path(stored["path"]), self.params.transparency)
            raise ValueError(f"column '{self.params.image}' is empty there")
        except Exception as error:  # Pillow raises whatever it stumbles over in broken files
            raise DataError(
                f"{self.name(row)} has no readable picture: {str(error) or type(error).__name__}",
                hint="mend or remove it, or name another column with data.image",
            ) from error

    def stored(self, row: int) -> bytes | Path:
        """The row's image as it is stored: the bytes of its file, or where that lies.

        Raises:
            DataError: the row has none.
        """
        found = self._stored(row) or {}
        if found.get("bytes") is not None:
            return bytes(found["bytes"])
        if not found.get("path"):
            raise DataError(f"{self.name(row)} has no picture", hint="remove the row, or name another column")
        return Path(found["path"])

    def _stored(self, row: int) -> dict[str, Any] | None:
        """`bytes` of the file, or where these are None the `path` of the file; None where there is no picture."""
        stored: dict[str, Any] | None = self.rows[int(row)][self.params.image]
        return stored


def open_tables(params: DataParams, base: Path) -> tuple[dict[str, Table], str, str | None]:
    """All splits of the data by name, a fingerprint of their content, and the commit for Hub data.

    Raises:
        DataError: no such data, it cannot be read, or the columns that the recipe names are missing.
        FetchError: the Hub data set cannot be fetched.
    """
    local = resolve_path(params.path, base)
    kind = kind_of(local) if local is not None and local.is_dir() else None
    commit = None
    try:
        if local is None:
            loaded, commit = from_hub(params, place(params.path, base))
            fingerprint = f"{params.path}@{commit}"
        elif kind is not None:
            loaded, fingerprint = read_folder(local, kind), _folder_hash(local)
        else:
            loaded, fingerprint = datasets.load_dataset("parquet", data_files=str(local)), _file_hash(local)
    except (DatasetsError, OSError, RuntimeError, TypeError, ValueError, *_ODD_CARD) as error:
        how = WORDS[kind] if kind else "as parquet" if local else "with `datasets`"
        raise DataError(
            f"{params.path} cannot be read {how}: {error.__cause__ or error}",
            hint="data.path takes a folder with class/picture.png, a parquet file, a data set's Hub id, or a folder of "
            "a data-set repository",
        ) from error
    return {name: _checked(rows, params) for name, rows in loaded.items()}, fingerprint, commit


def _checked(rows: Any, params: DataParams) -> Table:
    wanted = {"image": params.image, "label": params.label} | ({"group": params.group} if params.group else {})
    for key, column in wanted.items():
        if column not in rows.column_names:
            raise DataError(
                f"{params.path} has no column {column!r}; its columns are {', '.join(rows.column_names)}",
                hint=f"set data.{key} to one of them",
            )
    rows = rows.select_columns(list(dict.fromkeys(wanted.values())))  # the others would be decoded with every row
    feature = rows.features[params.label]
    if isinstance(feature, datasets.ClassLabel):
        labels = tuple(str(name) for name in feature.names)
    elif isinstance(feature, datasets.Value):
        labels = tuple(sorted({str(value) for value in rows[params.label] if value is not None}))
    else:
        raise DataError(
            f"column '{params.label}' of {params.path} holds no labels but values of type {_kind(feature)}",
            hint="set data.label to a column with one class name or number a row",
        )
    try:
        rows = rows.cast_column(params.image, datasets.Image(decode=False))  # decoded by `read_rgb`
    except (RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"column '{params.image}' of {params.path} holds no pictures but values of type "
            f"{_kind(rows.features[params.image])}",
            hint="set data.image to a column with pictures: their files' bytes, or paths",
        ) from error
    return Table(rows, labels, params)


def _kind(feature: Any) -> str:
    return str(feature.dtype) if isinstance(feature, datasets.Value) else type(feature).__name__.lower()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in content(folder):
        digest.update(f"{path.relative_to(folder).as_posix()} {_file_hash(path)}\n".encode())
    return digest.hexdigest()

"""Opening a table of labelled images: a parquet file, a folder or a Hub data set."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from glob import escape
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import yaml
from datasets.exceptions import DatasetsError
from PIL import Image

from hubslice.core.errors import DataError
from hubslice.core.escaping import named
from hubslice.modality.image.mistaken import mistaken
from hubslice.modality.image.reading import read_rgb
from hubslice.recipe.paths import place, resolve_path
from hubslice.recipe.schema import DataParams
from hubslice.task.aside import number, some, tell
from hubslice.task.cached import places_of
from hubslice.task.folder import WORDS, Kind, content, look, read_folder
from hubslice.task.hub import from_hub
from hubslice.task.image_folder import file_hash, read_images
from hubslice.task.labels import class_names, in_order, tell_alike, tell_nothing
from hubslice.task.loading import load
from hubslice.task.parquet_size import rows_of
from hubslice.task.split_words import split_of
from hubslice.task.titles import titles
from hubslice.task.walk import Walk

_ODD_CARD = (yaml.YAMLError, AttributeError, LookupError)  # what `datasets` raises over a card of a shape of its own
KEPT_BYTES = 256 * 2**20  # of decoded pictures; every process that loads data may keep as many
_SPLIT_COLUMNS = frozenset({"split", "splits", "subset", "partition", "set"})
_TOLD = 5  # rows that an error names


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
    Paths in the rows are relative to `beside`, a folder; of data from the Hub they lie `within` folders of its caches.
    `left_out` counts the files of a folder that are no rows, by reason.
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

    @property
    def named(self) -> bool:
        """Whether the data names its classes and their order itself; else they are those of the rows."""
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
        """The error that these rows have no label, with what is there instead."""
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
        """Group number of every row, int64 [rows]; a row without a group, or of data without them, is its own."""
        if self.params.group is None:
            return np.arange(len(self), dtype=np.int64)
        names = [f"row {row}" if name is None else f"group {name}" for row, name in enumerate(self._grouped())]
        _, numbers = np.unique(np.array(names), return_inverse=True)
        return numbers.astype(np.int64)

    def group_names(self, rows: np.ndarray) -> set[str]:
        """The groups that these rows belong to, as the data calls them."""
        names = self._grouped()
        return {name for row in rows if (name := names[int(row)]) is not None}

    def alone(self) -> int:
        """How many rows have no group where others have one."""
        return 0 if self.params.group is None else self._grouped().count(None)

    def _grouped(self) -> list[str | None]:
        """The group of every row, by name; None where it has none: none, NaN, or empty text."""
        column = self.rows[self.params.group][:]
        return [None if each is None or each != each or not str(each).strip() else str(each) for each in column]

    def name(self, row: int) -> str:
        """How to find a row: its file, or its number (from 0) and the split of the data set where it has several."""
        path = self._stored_path(row)
        if path:
            return named(path)
        split = f", split {self.rows.split}" if isinstance(self.params.splits.test, str) else ""
        return f"row {row} of {self.params.path}{split}"

    def titles(self) -> tuple[str, ...]:
        """What the rows are called for people, each otherwise."""
        return titles(self.rows, self.params.image, self.params.label)

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
                return read_rgb(self._found(stored["path"]), self.params.transparency)
            raise ValueError(f"column '{self.params.image}' is empty there")
        except DataError:
            raise
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
        return self._found(found["path"])

    def _found(self, path: str) -> Path:
        """Where the file of this path lies: beside the table, else in the current folder.

        Raises:
            FileNotFoundError: in neither; it says where it was looked for.
            DataError: the table is from the Hub, and the file is not.
        """
        if "://" in path:
            raise ValueError(f"{named(path)} is an address, and images are not fetched from addresses")
        if self.within is not None:
            lies = Path(os.path.normpath(Path(path).absolute()))  # without following links: a cache is made of them
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
        """The path of the row's file where the row does not hold the file itself."""
        stored = self._stored(row)
        return str(stored["path"]) if stored and stored["bytes"] is None and stored["path"] else None

    def _stored(self, row: int) -> dict[str, Any] | None:
        """`bytes` of the file, or where these are None the `path` of the file; None where there is no picture."""
        stored: dict[str, Any] | None = self.rows[int(row)][self.params.image]
        return stored


def open_tables(params: DataParams, base: Path, *, labelled: bool = True) -> tuple[dict[str, Table], str, str | None]:
    """All splits of the data by name, a fingerprint of their content, and the commit for Hub data.

    Where they need not be `labelled`, tables without labels have no class names, and images may be in another column
    than the one that `params` names, if that is the only one.

    Raises:
        DataError: no such data, it cannot be read, or the columns that the recipe names are missing.
        FetchError: the Hub data set cannot be fetched.
    """
    local = resolve_path(params.path, base)
    kind: Kind | None = None
    walked: Walk | None = None
    commit, beside, left_out = None, None, dict[str, int]()
    try:
        if local is None:
            loaded, commit = from_hub(params, place(params.path, base))
            fingerprint = f"{params.path}@{commit}"
        elif not local.is_dir():
            if not rows_of(local):
                raise ValueError("it has no rows")
            loaded = load("parquet", data_files=escape(str(local)))
            fingerprint, beside = file_hash(local), local.parent
        else:
            kind, walked = look(local)
            if kind == "images" and walked is not None:
                read = read_images(walked, params)
                loaded, fingerprint, left_out = read.splits, read.fingerprint, read.left_out
            else:
                loaded, fingerprint, beside = read_folder(local, kind, walked), _folder_hash(local), local
                _tell_images(walked, kind, params)
    except (DatasetsError, OSError, RuntimeError, TypeError, ValueError, *_ODD_CARD) as error:
        how = WORDS[kind] if kind else "as a folder" if local and local.is_dir() else "as parquet"
        how = how if local else "with `datasets`"
        files = [local] if local and local.is_file() else map(walked.path, walked.tables) if walked else []
        what = next((f" ({path.name}: {what})" for path in files if (what := mistaken(path))), "")
        raise DataError(
            f"{params.path} cannot be read {how}: {error.__cause__ or error}{what}",
            hint="data.path takes a folder with class/image.png, a parquet file, a data set's Hub id, or a folder of "
            "a data-set repository",
        ) from error
    if not labelled:
        params = params.model_copy(update={"image": _image_column(next(iter(loaded.values())), params.image)})
    within = places_of(params.path) if local is None else None
    tables = {
        name: replace(_checked(rows, params, labelled), beside=beside, left_out=left_out, within=within)
        for name, rows in loaded.items()
    }
    if len(loaded) == 1 and labelled:
        _tell_split_column(next(iter(loaded.values())), params)
    if local is not None:
        labels = [label for table in tables.values() for label in table.labels]
        tell_alike(labels, params.path)
        tell_nothing(labels, params.path)
    return tables, fingerprint, commit


def _tell_images(walked: Walk | None, kind: Kind, params: DataParams) -> None:
    """Tell of image files beside the parquet files that are read; they may be named in there."""
    if kind == "parquet" and walked is not None and walked.images:
        images = number(len(walked.images), "image file is", "image files are")
        tell(f"{params.path}: {images} no rows unless a parquet file there names them: {some(walked.images)}")


def _tell_split_column(rows: Any, params: DataParams) -> None:
    """Tell that a column says which rows are for training and which for a test, as that is not heeded."""
    for name in rows.column_names:
        if name.lower() not in _SPLIT_COLUMNS or name in (params.label, params.group):
            continue
        feature = rows.features[name]
        found = feature.names if isinstance(feature, datasets.ClassLabel) else []
        if isinstance(feature, datasets.Value) and feature.dtype in ("string", "large_string"):
            found = [value for value in rows.unique(name) if value]
        if len({split_of(value) for value in found} - {None}) > 1:
            tell(
                f"{params.path}: column '{named(name)}' says {some(sorted(found))}, and is not heeded: data.splits "
                "cuts all rows anew. To keep them apart, write a table for each (train.parquet, test.parquet)"
            )


def _image_column(rows: Any, usual: str) -> str:
    """The column with the images: the usual one, else the only one of that type, else `img` where there is one."""
    if usual in rows.column_names:
        return usual
    images = [name for name, feature in rows.features.items() if isinstance(feature, datasets.Image)]
    return images[0] if len(images) == 1 else "img" if "img" in rows.column_names else usual


def _checked(rows: Any, params: DataParams, labelled: bool) -> Table:
    wanted = {"image": params.image, "label": params.label} | ({"group": params.group} if params.group else {})
    if not labelled and not _holds_labels(rows, params.label):
        del wanted["label"]
    for key, column in wanted.items():
        if column not in rows.column_names:
            raise DataError(
                f"{params.path} has no column {column!r}; its columns are {', '.join(rows.column_names)}",
                hint=f"set data.{key} to one of them" if labelled else f"call the column with the images {column}",
            )
    rows = rows.select_columns(list(dict.fromkeys(wanted.values())))  # the others would be decoded with every row
    feature = rows.features.get(params.label)
    if "label" not in wanted:
        labels: tuple[str, ...] = ()
    elif isinstance(feature, datasets.ClassLabel):
        labels = tuple(str(name) for name in feature.names)
    elif isinstance(feature, datasets.Value):
        labels = in_order(name for name in class_names(rows[params.label][:]) if name is not None)
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
            hint="set data.image to a column with pictures: their files' bytes, or paths"
            if labelled
            else "give a table whose column holds pictures: their files' bytes, or paths",
        ) from error
    table = Table(rows, labels, params)
    if alone := table.alone():
        have = number(alone, "row has", "rows have")
        tell(f"{params.path}: {have} nothing in column '{params.group}'; each is a group of its own")
    return table


def _holds_labels(rows: Any, column: str) -> bool:
    return isinstance(rows.features.get(column), datasets.ClassLabel | datasets.Value)


def _kind(feature: Any) -> str:
    return str(feature.dtype) if isinstance(feature, datasets.Value) else type(feature).__name__.lower()


def _folder_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in content(folder):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_hash(path)}\n".encode())
    return digest.hexdigest()

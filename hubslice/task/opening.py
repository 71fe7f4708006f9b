"""Open labelled images as tables: a parquet file, a folder, or a dataset on the Hub."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

import datasets
import yaml
from datasets.exceptions import DatasetsError

from hubslice.core.errors import DataError
from hubslice.core.escaping import named
from hubslice.core.foreign_errors import message_of
from hubslice.modality.image.mistaken import mistaken
from hubslice.recipe.paths import place, resolve_path
from hubslice.recipe.schema import DataParams
from hubslice.task.aside import number, some, tell
from hubslice.task.cached import places_of
from hubslice.task.cells import cells_of
from hubslice.task.folder import WORDS, Kind, content, look, read_folder
from hubslice.task.hub import from_hub
from hubslice.task.image_folder import file_hash, read_images
from hubslice.task.labels import class_names, in_order, tell_alike, tell_nothing
from hubslice.task.loading import load
from hubslice.task.parquet_size import rows_of
from hubslice.task.split_words import split_of
from hubslice.task.table import Table
from hubslice.task.walk import Walk

# Raised by `datasets` for malformed cards, and for files that require further packages.
_ODD_CARD = (yaml.YAMLError, AttributeError, LookupError, ImportError)
_SPLIT_COLUMNS = frozenset({"split", "splits", "subset", "partition", "set"})


def open_tables(params: DataParams, base: Path, *, labelled: bool = True) -> tuple[dict[str, Table], str, str | None]:
    """Return all splits of the data by name, a fingerprint of their content, and the commit of Hub data.

    Without `labelled`, tables without labels have no class names, and images may be in another column than the one in
    `params` if it is the only one.

    Raises:
        DataError: no such data, it cannot be read, or the columns of the recipe are missing.
        FetchError: the dataset cannot be fetched from the Hub.
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
            f"{params.path} cannot be read {how}: {message_of(error.__cause__ or error)}{what}",
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
    """Inform the user about image files beside the parquet files, which may refer to them."""
    if kind == "parquet" and walked is not None and walked.images:
        images = number(len(walked.images), "image file is", "image files are")
        tell(f"{params.path}: {images} no rows unless a parquet file there names them: {some(walked.images)}")


def _tell_split_column(rows: Any, params: DataParams) -> None:
    """Warn that a column marking rows for training and test is not used."""
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
    """Return the column with the images: the usual one, else the only one of that type, else `img` if it exists."""
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
        rows = cells_of(params).cast(rows, params.image)
    except (RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"column '{params.image}' of {params.path} holds no images but values of type "
            f"{_kind(rows.features[params.image])}",
            hint="set data.image to a column with images: their files' bytes, or paths"
            if labelled
            else "give a table whose column holds images: their files' bytes, or paths",
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

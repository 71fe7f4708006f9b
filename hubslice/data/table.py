"""Opening a labelled picture table: a parquet file, an image folder or a Hub data set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

from hubslice.errors import DataError, FetchError
from hubslice.recipe.paths import place
from hubslice.recipe.schema import DataParams

datasets.disable_progress_bars()  # hubslice reports progress itself


@dataclass(frozen=True)
class Table:
    """One split of a data set as stored: its rows, class names, and the columns that hubslice reads."""

    rows: Any  # datasets.Dataset
    labels: tuple[str, ...]
    params: DataParams

    def __len__(self) -> int:
        return len(self.rows)

    def targets(self) -> np.ndarray:
        """Class index of every row, int64 [rows].

        Raises:
            DataError: a row has no label.
        """
        known = {name: index for index, name in enumerate(self.labels)}
        found = [
            value if isinstance(value, int) else known.get(str(value), -1) for value in self.rows[self.params.label]
        ]
        targets = np.array(found, dtype=np.int64)
        if targets.min(initial=0) < 0:
            raise DataError(
                f"row {int(targets.argmin())} of {self.params.path} has no label in column {self.params.label!r}",
                hint="remove the rows without a label, or name another column with data.label",
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

    def picture(self, row: int) -> Image.Image:
        """The row's picture in RGB, transparency composited on white.

        Raises:
            DataError: the picture cannot be decoded.
        """
        try:
            image = self.rows[int(row)][self.params.image]
            if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
                image = image.convert("RGBA")
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image)
            rgb: Image.Image = image.convert("RGB")
            return rgb
        except (OSError, ValueError, AttributeError, SyntaxError) as error:
            raise DataError(
                f"row {row} of {self.params.path} has no readable picture in column {self.params.image!r}: {error}",
                hint="mend or remove the row, or name another column with data.image",
            ) from error


def open_tables(params: DataParams, base: Path) -> tuple[dict[str, Table], str, str | None]:
    """All splits of the data by name, a fingerprint of their content, and the commit for Hub data.

    Raises:
        DataError: no such data, or the columns that the recipe names are missing.
        FetchError: the Hub data set cannot be fetched.
    """
    local = place(params.path, base)
    if local.is_file():
        loaded = datasets.load_dataset("parquet", data_files=str(local))
        fingerprint, commit = _file_hash(local), None
    elif local.is_dir():
        loaded = datasets.load_dataset("imagefolder", data_dir=str(local), drop_labels=False)
        fingerprint, commit = _folder_hash(local), None
    else:
        loaded, commit = _from_hub(params, local)
        fingerprint = f"{params.path}@{commit}"
    return {name: _checked(rows, params) for name, rows in loaded.items()}, fingerprint, commit


def _from_hub(params: DataParams, local: Path) -> tuple[Any, str]:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

    missing = f"there is no data at {params.path!r}: not a file or folder beside the recipe ({local})"
    if params.path.endswith(".parquet") or params.path.startswith((".", "/")):
        raise DataError(missing, hint="set data.path to a parquet file, an image folder or a data set's Hub id")
    try:
        commit = HfApi().dataset_info(params.path, revision=params.revision).sha
        return datasets.load_dataset(params.path, revision=commit), str(commit)
    except HFValidationError as error:
        raise DataError(f"{missing}, nor a Hub id: {error}") from error
    except OfflineModeIsEnabled as error:
        raise FetchError(
            f"{missing}, and the Hub is switched off (HF_HUB_OFFLINE)", hint="unset HF_HUB_OFFLINE or use local data"
        ) from error
    except (HTTPError, OSError, ValueError, TypeError, LookupError, AttributeError) as error:  # odd answers, too
        raise FetchError(
            f"{missing}, and the Hub has no readable data set of this id: {error}",
            hint="check data.path; private data needs `hf auth login`",
        ) from error


def _checked(rows: Any, params: DataParams) -> Table:
    wanted = {"image": params.image, "label": params.label} | ({"group": params.group} if params.group else {})
    for key, column in wanted.items():
        if column not in rows.column_names:
            raise DataError(
                f"{params.path} has no column {column!r}; its columns are {', '.join(rows.column_names)}",
                hint=f"set data.{key} to one of them",
            )
    feature = rows.features[params.label]
    if isinstance(feature, datasets.ClassLabel):
        labels = tuple(str(name) for name in feature.names)
    else:
        labels = tuple(sorted({str(value) for value in rows[params.label] if value is not None}))
        rows = rows.map(lambda row: {params.label: str(row[params.label])}) if feature.dtype != "string" else rows
    if not isinstance(rows.features[params.image], datasets.Image):
        rows = rows.cast_column(params.image, datasets.Image())
    return Table(rows, labels, params)


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {_file_hash(path)}\n".encode())
    return digest.hexdigest()

"""Read a folder written by `save_to_disk`, checking its files before `datasets` opens them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import datasets

from hubslice.core.errors import DataError
from hubslice.core.escaping import named
from hubslice.task.arrow_size import check_arrow

STATE: Final = "state.json"  # written by Dataset.save_to_disk
SPLITS: Final = "dataset_dict.json"  # written by DatasetDict.save_to_disk
_LARGEST: Final = 64 << 20  # maximum bytes of a JSON file


def read_saved(folder: Path) -> Mapping[str, Any]:
    """Return the splits by name.

    Raises:
        DataError: a file is compressed, unpacks to far more than its size, or is in another folder.
        Exception: anything that `datasets` raises for files that it cannot read.
    """
    for part in _parts(folder):
        state = _content(part / STATE)
        for file in state["_data_files"]:
            check_arrow(_within(part, file["filename"]))
        _check_size(part / "dataset_info.json")
    saved = datasets.load_from_disk(str(folder))
    return saved if isinstance(saved, datasets.DatasetDict) else {str(saved.split or "train"): saved}


def _parts(folder: Path) -> list[Path]:
    if not (folder / SPLITS).is_file():
        return [folder]
    return [_within(folder, split) for split in _content(folder / SPLITS)["splits"]]


def _within(folder: Path, name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(
            f"{named(folder)} names {named(name)[:200]!r} as its data, which is not in it",
            hint="save it anew with save_to_disk",
        )
    return folder / name


def _content(path: Path) -> Any:
    _check_size(path)
    return json.loads(path.read_bytes())


def _check_size(path: Path) -> None:
    if path.is_file() and (size := path.stat().st_size) > _LARGEST:
        raise DataError(
            f"{named(path)} has {size / (1 << 20):,.1f} MiB, and may have {_LARGEST >> 20}",
            hint="save it anew with save_to_disk",
        )

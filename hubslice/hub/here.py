"""Check whether a local folder contains models, runs or data, so that paths starting with its name are local."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

_RUNS = "runs"  # the default folder of runs; even if empty, it is not an owner on the Hub
_MODEL_ENDINGS = (".safetensors", ".onnx")
_MODEL_FILES = frozenset({"config.json", "run.json"})
_DATA_ENDINGS = (".parquet", ".arrow", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_DEPTH = 3  # data/pets/train/cat/1.png: a folder of datasets with splits
_MOST = 2000  # maximum number of entries to inspect


def exists(path: Path) -> bool:
    """Return whether the path exists; False if the name is too long, or the folder not accessible."""
    try:
        return path.exists()
    except OSError:
        return False


def holds_models(folder: Path) -> bool:
    """Return whether the folder exists and directly contains models or runs."""
    return exists(folder) and folder.is_dir() and (folder.name == _RUNS or _any_file(folder, _is_model, 1))


def holds_data(folder: Path) -> bool:
    """Return whether the folder exists and contains images or tables within a few levels."""
    return exists(folder) and folder.is_dir() and (folder.name == _RUNS or _any_file(folder, _is_data, _DEPTH))


def _is_model(name: str) -> bool:
    return name in _MODEL_FILES or name.endswith(_MODEL_ENDINGS)


def _is_data(name: str) -> bool:
    return name.lower().endswith(_DATA_ENDINGS)


def _any_file(folder: Path, wanted: Callable[[str], bool], depth: int) -> bool:
    """Return whether a file with a wanted name is in the folder or up to `depth` levels below, ignoring hidden folders.

    Folders are searched level by level, so that a large one early in the list does not hide the others.
    """
    todo, looked = deque([(os.fspath(folder), 0)]), 0
    while todo and looked < _MOST:
        here, level = todo.popleft()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    looked += 1
                    if looked > _MOST:
                        return False
                    if wanted(entry.name):
                        return True
                    if level < depth and not entry.name.startswith(".") and _is_dir(entry):
                        todo.append((entry.path, level + 1))
        except OSError:  # a folder of another user
            continue
    return False


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False

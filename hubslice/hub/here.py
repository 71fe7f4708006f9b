"""Whether a folder here is one of models, runs or data, so that what begins with its name is looked for in it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

_RUNS = "runs"  # where runs are written when no other folder is named; also empty it is no owner on the Hub
_MODEL_ENDINGS = (".safetensors", ".onnx")
_MODEL_FILES = frozenset({"config.json", "run.json"})
_DATA_ENDINGS = (".parquet", ".arrow", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_DEPTH = 3  # data/pets/train/cat/1.png: a folder of data sets, which have splits
_MOST = 2000  # entries that are looked at


def exists(path: Path) -> bool:
    """Whether something is there; nothing is where a name is too long, or in a folder that others may not enter."""
    try:
        return path.exists()
    except OSError:
        return False


def holds_models(folder: Path) -> bool:
    """Whether there is such a folder, and it holds models or runs directly."""
    return exists(folder) and folder.is_dir() and (folder.name == _RUNS or _any_file(folder, _is_model, 1))


def holds_data(folder: Path) -> bool:
    """Whether there is such a folder, and it holds images or tables down to a few folders."""
    return exists(folder) and folder.is_dir() and (folder.name == _RUNS or _any_file(folder, _is_data, _DEPTH))


def _is_model(name: str) -> bool:
    return name in _MODEL_FILES or name.endswith(_MODEL_ENDINGS)


def _is_data(name: str) -> bool:
    return name.lower().endswith(_DATA_ENDINGS)


def _any_file(folder: Path, wanted: Callable[[str], bool], depth: int) -> bool:
    """Whether a file of a wanted name lies in the folder or `depth` folders below; hidden folders do not count.

    Folders are looked at by their level, so that a large one early in the list does not hide the others.
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
        except OSError:  # a folder of somebody else
            continue
    return False


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False

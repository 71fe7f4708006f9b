"""Find and resolve local paths in a recipe."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hubslice.recipe.yaml_source import KeyPath, Plain

_HUB_ID: Final = re.compile(r"([A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*(@[\w./-]+)?", re.ASCII)


def place(path: str, base: Path) -> Path:
    """Return where `path` leads from `base`, whether or not it exists."""
    return Path(os.path.normpath(base / os.path.expanduser(path)))  # noqa: PTH111  # Path raises for ~nobody


def resolve_path(path: str, base: Path) -> Path | None:
    """Return the file or folder `path` relative to `base`, or None if it does not exist (it may be a Hub id)."""
    found = place(path, base)
    try:
        return found if found.exists() else None
    except OSError:  # too long for a file name, for instance
        return None


def looks_local(path: str) -> bool:
    """Return whether `path` can only be a file or folder, never a Hub id."""
    return (
        path.endswith(".parquet")
        or path.startswith(("./", "../", "~"))
        or path in {".", ".."}
        or Path(path).is_absolute()
    )


def is_hub_id(text: str) -> bool:
    """Return whether it has the form of a Hub id, `owner/name` or `owner/name@revision`, which no URL has."""
    return _HUB_ID.fullmatch(text) is not None and not text.endswith(".parquet")


def path_values(data: Plain) -> Iterator[tuple[KeyPath, str]]:
    """Yield every (key path, value) of a recipe that may be a local path."""
    made = list(_text_at(data, ("teacher", "weights"))) == [(("teacher", "weights"), "random")]
    for path in (*(() if made else (("teacher", "model"),)), ("data", "path")):
        yield from _text_at(data, path)
    audit = data.get("audit") if isinstance(data, dict) else None
    defects = audit.get("defects") if isinstance(audit, dict) else None
    for index in range(len(defects) if isinstance(defects, list) else 0):
        for key in ("clean_teacher", "unrelated"):
            yield from _text_at(data, ("audit", "defects", index, key))


def set_value(data: Plain, path: KeyPath, value: Plain) -> None:
    """Replace the value at an existing path; only the last key may be new."""
    here = data
    for key in path[:-1]:
        here = here[key]  # type: ignore[index]
    here[path[-1]] = value  # type: ignore[index]


def _text_at(data: Plain, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    here = data
    for key in path:
        if isinstance(here, dict) and isinstance(key, str):
            here = here.get(key)
        elif isinstance(here, list) and isinstance(key, int):
            here = here[key]
        else:
            return
    if isinstance(here, str):
        yield path, here

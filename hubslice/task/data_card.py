"""Check a dataset's card and the metadata files beside it before `datasets` reads them.

`datasets` reads them completely, expands YAML aliases, and follows the paths and URLs of data files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from hubslice.core.errors import DataError
from hubslice.core.escaping import named
from hubslice.core.foreign_errors import message_of
from hubslice.files.card_yaml import HEAD, load_head

CARD: Final = "README.md"
SETTINGS: Final = ".huggingface.yaml"  # YAML as in a card's header, whose keys it overrides
INFOS: Final = "dataset_infos.json"  # written by earlier versions of `datasets`
FILES: Final = (CARD, SETTINGS, INFOS)
_LONGEST: Final = 2 << 20  # characters of a header; the names of 20,000 classes take half of it
_LARGEST: Final = {CARD: 32 << 20, SETTINGS: 4 * _LONGEST, INFOS: 64 << 20}  # bytes
_HINT: Final = "mend it; or take the parquet files alone: put them into a folder and set data.path to it"
# A URL, an absolute path, a path from a home folder, or a path that leads out of the folder.
_ELSEWHERE: Final = re.compile(r"://|::|^[/\\~]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")


def check_said(folder: Path, where: str) -> None:
    """Refuse a dataset whose metadata is too large for `datasets`, or refers to files elsewhere.

    `where` is its name in messages.

    Raises:
        DataError: a file is too large, cannot be read within limits, or refers to files elsewhere.
        OSError: a file cannot be read.
    """
    said = what_is_said(folder, where)
    infos = folder / INFOS
    if infos.exists():
        _check_file(infos, where)
    if odd := next((name for name in _files(said.get("configs")) if _ELSEWHERE.search(name)), None):
        raise DataError(
            f"{where} names {named(odd)[:200]!r} as its data, which is not in its own folder",
            hint=f"if you trust it, fetch that file yourself, and name it by a path within the folder in {CARD}",
        )


def what_is_said(folder: Path, where: str) -> dict[str, Any]:
    """Return the card's header merged with the settings; empty if there are none.

    Raises:
        DataError: a file is too large, or cannot be read within limits.
        OSError: a file cannot be read.
    """
    said: dict[str, Any] = {}
    for name in (CARD, SETTINGS):
        if (folder / name).exists():
            said |= read_said(folder / name, where)
    return said


def read_said(path: Path, where: str) -> dict[str, Any]:
    """Return the header of a card, or the settings; empty if they are not a mapping, which `datasets` reports.

    Raises:
        DataError: the file is too large, or cannot be read within limits.
        OSError: it cannot be read.
    """
    _check_file(path, where)
    with path.open(encoding="utf-8-sig" if path.name == CARD else "utf-8", errors="replace", newline="") as file:
        text = file.read(_LONGEST + 1)
    ends = len(text) <= _LONGEST
    if path.name == CARD:
        head = HEAD.match(text)
        ends = ends or head is not None or not "---".startswith(text.lstrip()[:3])
        text = head[1] if head else ""
    if not ends:
        raise _unreadable(where, f"its {path.name} has YAML of more than {_LONGEST:,} characters")
    try:
        said = load_head(text)
    except yaml.YAMLError as error:
        raise _unreadable(where, f"its {path.name} has YAML that cannot be read: {message_of(error)}") from error
    return said if isinstance(said, dict) else {}


def _check_file(path: Path, where: str) -> None:
    if not path.is_file():
        raise _unreadable(where, f"its {path.name} is no file")
    if (size := path.stat().st_size) > _LARGEST[path.name]:
        most = _LARGEST[path.name] >> 20
        raise _unreadable(where, f"its {path.name} has {size / (1 << 20):,.1f} MiB, and may have {most}")


def _unreadable(where: str, why: str) -> DataError:
    return DataError(f"{where} cannot be read as a data-set repository: {why}", hint=_HINT)


def _files(configs: object) -> Iterator[str]:
    """Yield the paths and patterns of data files in configurations."""
    for config in configs if isinstance(configs, list) else []:
        if isinstance(config, dict):
            yield from _texts(config.get("data_files"))
            yield from _texts(config.get("data_dir"))


def _texts(value: object) -> Iterator[str]:
    """Yield all text in a value, except the names of splits."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            if key != "split":
                yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)

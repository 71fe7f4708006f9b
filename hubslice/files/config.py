"""Read untrusted JSON files of a model repository, such as config.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hubslice.core.errors import ModelError
from hubslice.core.foreign_errors import message_of
from hubslice.files.config_entries import check_entries
from hubslice.files.config_redirects import check_followed, walk

LARGEST_FILE = 1 << 25  # maximum bytes of a file
LARGEST_NUMBER = 1 << 24  # more than any model's widths, depths, vocabularies or image sizes
MOST_CLASSES = 1 << 20
CLASSES = ("num_classes", "num_labels")
COPY = "hubslice-"  # prefix of temporary folders in which stock libraries read checked files


def read_object(path: Path, where: str) -> dict[str, Any]:
    """Read the JSON object in the file; `where` is the model's name in messages.

    Raises:
        ModelError: it is not a JSON object, refers to code, other files or another repository (`followed`), or an entry
            has a type that hubslice does not accept (`entries`).
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(
                f"{where}: {path.name} has {path.stat().st_size} bytes, more than a configuration needs",
                hint="mend it, or choose another revision",
            )
        content = json.loads(path.read_bytes().decode())  # like timm and transformers: UTF-8 without a byte order mark
        json.dumps(content, ensure_ascii=False).encode()  # JSON can escape lone surrogates, which are not valid text
    except FileNotFoundError as error:
        raise ModelError(
            f"{where} is not a model: it has no {path.name}", hint="give a Hub id or a folder with config.json"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"{where}: {path.name} is not JSON: {message_of(error)}",
            hint="mend the file (plain UTF-8, without a byte order mark), or choose another revision",
        ) from error
    if not isinstance(content, dict):
        raise ModelError(f"{where}: {path.name} is not a JSON object", hint="mend it, or choose another revision")
    check_followed(content, f"{where}: {path.name}")
    check_entries(content, path.name, f"{where}: {path.name}")
    return content


@contextmanager
def checked_copy(contents: Mapping[str, Mapping[str, Any]]) -> Iterator[Path]:
    """Yield a temporary folder with only these JSON files, by name, so that stock libraries read what was checked."""
    with TemporaryDirectory(prefix=COPY) as folder:
        for name, content in contents.items():
            Path(folder, name).write_text(json.dumps(content))
        yield Path(folder)


def check_numbers(config: dict[str, Any], where: str) -> None:
    """Refuse numbers that no architecture has, before a library allocates memory for them.

    Raises:
        ModelError: there is such a number.
    """
    for key, value in walk(config):
        classes = key in CLASSES and not (type(value) is int and 0 <= value <= MOST_CLASSES) and value is not None
        if classes or (type(value) is int and abs(value) > LARGEST_NUMBER):
            raise ModelError(
                f"{where} has {key}: {str(value)[:40]}, which no model can have",
                hint="mend the file, or choose another revision",
            )

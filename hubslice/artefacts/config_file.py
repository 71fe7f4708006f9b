"""config.json and its like, as a model repository has them: read with suspicion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubslice.errors import ModelError

LARGEST_FILE = 1 << 25  # bytes
LARGEST_NUMBER = 1 << 24  # more than any model's widths, depths, vocabularies or pictures
MOST_CLASSES = 1 << 20
CLASSES = ("num_classes", "num_labels")


def read_object(path: Path, where: str) -> dict[str, Any]:
    """The JSON object in the file; `where` names the model in messages.

    Raises:
        ModelError: it is not a JSON object, or asks for code of the repository.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(f"{where}: {path.name} has {path.stat().st_size} bytes, more than a configuration needs")
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(
            f"{where} is not a model: it has no {path.name}", hint="give a Hub id or a folder with config.json"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"{where}: {path.name} is not JSON: {error}", hint="mend the file, or choose another revision"
        ) from error
    if not isinstance(content, dict):
        raise ModelError(f"{where}: {path.name} is not a JSON object", hint="mend it, or choose another revision")
    for key, value in _walk(content):
        if _wants_code(key, value):
            raise ModelError(
                f"{where}: {path.name} asks for code of its own ({key}); hubslice runs no code from model repositories",
                hint="choose a model whose class timm or transformers ships",
            )
    return content


def check_numbers(config: dict[str, Any], where: str) -> None:
    """Refuse numbers that no architecture has, before a library reserves memory for them.

    Raises:
        ModelError: there is one.
    """
    for key, value in _walk(config):
        classes = key in CLASSES and not (type(value) is int and 0 <= value <= MOST_CLASSES) and value is not None
        if classes or (type(value) is int and abs(value) > LARGEST_NUMBER):
            raise ModelError(
                f"{where} has {key}: {str(value)[:40]}, which no model can have",
                hint="mend the file, or choose another revision",
            )


def _wants_code(key: str, value: object) -> bool:
    """Whether transformers would fetch Python or a compiled kernel for this entry."""
    if key in {"attn_implementation", "experts_implementation"}:
        return "/" in str(value)
    return key in {"auto_map", "trust_remote_code"} and bool(value)


def _walk(content: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Every entry at any depth with its key; those of a list have the list's."""
    todo: list[tuple[str, object]] = list(content.items())
    while todo:
        key, value = todo.pop()
        yield key, value
        if isinstance(value, dict):
            todo += value.items()
        elif isinstance(value, list):
            todo += ((key, entry) for entry in value)

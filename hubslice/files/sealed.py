"""Store tensors and facts in one safetensors file with a checksum over its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save as to_safetensors

from hubslice.core.artefact import write_atomically
from hubslice.core.errors import InputError, RunError
from hubslice.core.foreign_errors import message_of
from hubslice.core.paths import AnyPath, as_path
from hubslice.files.tensor_header import HeaderError, parse_header, read_header
from hubslice.files.tensor_writing import sorted_header

T = TypeVar("T")

# Raised by reading tensors and facts of any type and shape from damaged files.
UNREADABLE: Final = (*(OSError, SafetensorError, AttributeError, LookupError, RecursionError, TypeError, ValueError),)
FORMAT, ABOUT, SEAL = "format", "about", "sha256"  # keys of the metadata
VERSION = 2


def write_sealed(path: AnyPath, kind: str, about: Mapping[str, object], tensors: Mapping[str, np.ndarray]) -> None:
    """Write the file atomically; `about` is plain data, `kind` says in a word what the file is."""
    text = json.dumps(about, sort_keys=True)
    metadata = {FORMAT: _format(kind), ABOUT: text, SEAL: _seal(kind, text, tensors)}
    write_atomically(path, sorted_header(to_safetensors(dict(tensors), metadata=metadata)))


def read_sealed(
    path: AnyPath, kind: str, build: Callable[[dict[str, Any], dict[str, np.ndarray]], T], *, hint: str | None = None
) -> T:
    """Return `build(about, tensors)` for a file of `write_sealed`; `hint` says how to create the file again.

    Raises:
        RunError: the file is missing, of another kind, changed, or rejected by `build`.
    """
    path = as_path(path)
    try:
        data = path.read_bytes()
        metadata = parse_header(data).metadata
        if metadata.get(FORMAT) != _format(kind):
            raise RunError(f"{path} is a safetensors file but not a {kind} of this version", hint=hint or _hint(path))
        tensors = from_safetensors(data)
        if metadata[SEAL] != _seal(kind, metadata[ABOUT], tensors):
            raise ValueError("its content is not that of its checksum")
        return build(json.loads(metadata[ABOUT]), tensors)
    except UNREADABLE as error:
        raise RunError(f"{path} cannot be read as a {kind}: {message_of(error)}", hint=hint or _hint(path)) from error


def check_replaceable(path: Path, kind: str) -> None:
    """Check that writing such a file to `path` replaces nothing, or a file of this kind in any version.

    Raises:
        InputError: a folder or another file is there.
    """
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; a {kind} is a file", hint=f"name one with --out, such as {path / 'new.safetensors'}"
        )
    try:
        held = read_header(path).metadata.get(FORMAT, "") if path.exists() else None
    except (HeaderError, OSError):
        held = ""
    if held is not None and not held.startswith(_format(kind, "")):
        raise InputError(
            f"{path} is there and is not a {kind}; it is not replaced", hint="choose another file with --out"
        )


def _format(kind: str, version: object = VERSION) -> str:
    return f"hubslice-{kind}-{version}"


def _seal(kind: str, about: str, tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(f"{kind}\n{about}\n".encode())
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        digest.update(f"{name!r} {tensor.dtype.str} {tensors[name].shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def _hint(path: Path) -> str:
    return f"in a run, delete {path.parent} and run `hubslice slice` again; else fetch the file again"

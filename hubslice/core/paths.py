"""Convert paths that Python code passes as text or path objects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import overload

from hubslice.core.errors import InputError

AnyPath = str | os.PathLike[str]


@overload
def as_path(given: None) -> None: ...
@overload
def as_path(given: AnyPath) -> Path: ...
def as_path(given: AnyPath | None) -> Path | None:
    """Return a path given as text or as any path-like object as a `Path`; None stays None.

    Raises:
        InputError: the text is empty, which `Path` would treat as the working directory.
    """
    if given is None or isinstance(given, Path):
        return given
    if not os.fspath(given):
        raise InputError("a path is empty", hint="name a file or folder; the working directory is '.'")
    return Path(given)


@overload
def as_text(given: None) -> None: ...
@overload
def as_text(given: AnyPath) -> str: ...
def as_text(given: AnyPath | None) -> str | None:
    """Return text or a path as text, for values that may also name something on the Hub; None stays None.

    Raises:
        InputError: the value is empty.
    """
    if given is None:
        return None
    text = os.fspath(given)
    if not text:
        raise InputError("a path is empty", hint="name a file or folder; the working directory is '.'")
    return text

"""Where files lie, as Python code says it: text is as good as a `Path`."""

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
    """The path that was given as text, as a `Path` or as any other path-like object; None stays None.

    Raises:
        InputError: the text is empty, which `Path` would take for the working directory.
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
    """What was given as text or as a path, where it may also name something on the Hub; None stays None.

    Raises:
        InputError: it is empty.
    """
    if given is None:
        return None
    text = os.fspath(given)
    if not text:
        raise InputError("a path is empty", hint="name a file or folder; the working directory is '.'")
    return text

"""The layout of huggingface_hub's cache: a snapshot links to a blob, which is named by its checksum."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hubslice.hub.integrity import Digest, Expected

_CHECKSUM: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256: Final = 64  # hexadecimal digits


def checksum_of(placed: Path) -> str | None:
    """Return the checksum in a blob's name: git's, or for large files the SHA-256; None if it is neither.

    Only the first link is followed. It leads to `blobs/<checksum>` of the repository, which may itself be a link into a
    folder shared by several repositories, where blobs are named by their Xet hash, which has the length of a SHA-256
    but is a different number. On a file system without links, the snapshot contains the file itself, which has no such
    name.
    """
    try:
        name = placed.readlink().name
    except OSError:
        return None
    return name if _CHECKSUM.fullmatch(name) else None


def promised(placed: Path) -> Expected:
    """Return the checksum of a snapshot's file according to the cache alone."""
    name = checksum_of(placed)
    if name is not None and len(name) == _SHA256:
        return Expected(None, sha256=name)
    return Expected(None, git=name)


def spoilt(placed: Path, found: Digest) -> bool:
    """Return whether a snapshot's file with that digest differs from its blob name, or has no blob name."""
    return checksum_of(placed) not in (found.sha256, found.git)

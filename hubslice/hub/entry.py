"""How the cache of huggingface_hub keeps a file: a snapshot links to the content, which is named by its checksum."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hubslice.hub.integrity import Digest, Expected

_CHECKSUM: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256: Final = 64  # digits


def checksum_of(placed: Path) -> str | None:
    """The checksum that the cache calls a snapshot's file by: git's, or of large files the SHA-256; None if by neither.

    Only the first link counts. That leads to `blobs/<checksum>` of the repository, which can be a link itself: into a
    folder that several repositories share, where contents are called by their Xet hash, as long as a SHA-256 and
    another number. Where the file system has no links the file itself lies in the snapshot and has no such name.
    """
    try:
        name = placed.readlink().name
    except OSError:
        return None
    return name if _CHECKSUM.fullmatch(name) else None


def promised(placed: Path) -> Expected:
    """What the cache alone promises of a snapshot's file."""
    name = checksum_of(placed)
    if name is not None and len(name) == _SHA256:
        return Expected(None, sha256=name)
    return Expected(None, git=name)


def spoilt(placed: Path, found: Digest) -> bool:
    """Whether a snapshot's file, which has that digest, is not what the cache calls it; one without a name may be."""
    return checksum_of(placed) not in (found.sha256, found.git)

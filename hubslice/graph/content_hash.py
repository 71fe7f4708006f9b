"""Checksum of an ONNX graph with its weights."""

from __future__ import annotations

import hashlib
from pathlib import Path


def graph_hash(path: Path) -> str:
    """Return the SHA-256 of a graph together with its external weights."""
    digest = hashlib.sha256()
    for file in (path, path.with_name(f"{path.name}.data")):
        if file.is_file():
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()

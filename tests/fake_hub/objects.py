"""File contents on disk, each under its own SHA-256."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

CHUNK = 1 << 20


def git_oid(content: bytes) -> str:
    """The id that git gives to a blob of this content (40 hexadecimal digits)."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    """The text that git stores in place of a large file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def replace_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a server started later, sees all of the old or all of the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(temporary).replace(path)


class ObjectStore:
    """A folder of immutable contents; the same content is stored once, whichever repo it belongs to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the content of that hash lies (or would lie)."""
        return self.root / sha256[:2] / sha256

    def size(self, sha256: str) -> int | None:
        """Its size in bytes; None where the content was never stored."""
        path = self.path(sha256)
        return path.stat().st_size if path.is_file() else None

    def read(self, sha256: str) -> bytes:
        """The whole content."""
        return self.path(sha256).read_bytes()

    def add(self, chunks: Iterable[bytes], *, expected: str | None = None) -> tuple[str, int]:
        """Store a content and return its SHA-256 and size.

        Raises:
            ValueError: the content does not have the expected hash; nothing is stored.
        """
        digest, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self.root, prefix=".new-")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            sha256 = digest.hexdigest()
            if expected is not None and sha256 != expected:
                raise ValueError(f"the content has the SHA-256 {sha256}, not {expected}")
            target = self.path(sha256)
            target.parent.mkdir(exist_ok=True)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return sha256, size

"""The Hub as a client of its own storage: what came by another way is stored there, what came there is put together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hf_xet


@dataclass(frozen=True)
class Transfer:
    """Uploads and downloads of whole files.

    Attributes:
        url: the address of the storage.
        token: makes a token that may do both, and the time it ends.
    """

    url: str
    token: Callable[[], tuple[str, int]]

    def upload(self, path: Path, sha256: str) -> None:
        """Store a file, under the SHA-256 that it is known by."""
        with _session().new_upload_commit(self.url, *self.token()) as commit:
            commit.start_upload_file(str(path), sha256=sha256)

    def download(self, xet_hash: str, size: int, target: Path) -> None:
        """Put together a file."""
        with _session().new_file_download_group(self.url, *self.token()) as group:
            group.start_download_file(hf_xet.XetFileInfo(xet_hash, size), str(target))


def _session() -> hf_xet.XetSession:
    with _lock:
        return _the_session()


@cache
def _the_session() -> hf_xet.XetSession:
    return hf_xet.XetSession()


_lock = threading.Lock()

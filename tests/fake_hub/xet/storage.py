"""The storage as the Hub sees it: who may use it, and every large file by SHA-256, whichever way it came."""

from __future__ import annotations

import hmac
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Literal

from tests.fake_hub.objects import CHUNK, ObjectStore
from tests.fake_hub.records import File
from tests.fake_hub.xet.cas import Cas
from tests.fake_hub.xet.transfer import Transfer

LIFETIME = 3600  # seconds that a token is good for

Role = Literal["read", "write"]


class XetStorage:
    """The xorbs and files under a folder, at an address of a running server; `offered`: also for downloads.

    The address holds a part of the server's secret: what a client remembers of another storage, at the same port, it
    does not take for this one's.
    """

    def __init__(self, root: Path, objects: ObjectStore, url: str, secret: bytes, *, offered: bool) -> None:
        self.cas = Cas(root)
        self.objects = objects
        self.offered = offered
        self._secret = secret
        self.url = f"{url}/cas/{self._sign('address')[:16]}"
        self._transfer = Transfer(self.url, lambda: self.token("write"))
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def token(self, role: Role) -> tuple[str, int]:
        """A token for downloads, or also for uploads, and when it ends (seconds since 1970)."""
        expires = int(time.time()) + LIFETIME
        return f"{role}:{expires}:{self._sign(f'{role}:{expires}')}", expires

    def admits(self, token: str, role: Role) -> bool:
        """Whether that token may do that."""
        claim, _, signature = token.rpartition(":")
        given, _, expires = claim.partition(":")
        good = hmac.compare_digest(signature, self._sign(claim))
        return good and (given == "write" or role == "read") and int(expires) > time.time()

    def xorb_url(self, xorb: str) -> str:
        """An address of a xorb that needs no token."""
        return f"{self.url}/xorbs/{xorb}?signature={self._sign(xorb)}"

    def admits_to_xorb(self, xorb: str, signature: str) -> bool:
        """Whether that is a signature of `xorb_url`."""
        return hmac.compare_digest(signature, self._sign(xorb))

    def hash_of(self, file: File) -> str | None:
        """The Xet hash of a file, which is put into the storage if it came by another way; None: get it without Xet."""
        if not self.offered or not file.lfs:
            return None
        sha256 = file.sha256
        with self._locks[sha256]:
            found = self.cas.hash_of(sha256)
            if found is None:
                self._transfer.upload(self.objects.path(sha256), sha256)
                found = self.cas.hash_of(sha256)
                assert found is not None
            return found

    def fetch(self, sha256: str) -> int | None:
        """Put together the content of that SHA-256, so that it can be read without Xet, and give its size.

        None: it was never uploaded.

        Raises:
            ValueError: what was uploaded has another SHA-256.
        """
        with self._locks[sha256]:
            size, xet_hash = self.objects.size(sha256), self.cas.hash_of(sha256)
            if size is not None or xet_hash is None:
                return size
            file = self.cas.find(xet_hash)
            assert file is not None
            with tempfile.TemporaryDirectory(dir=self.cas.root) as folder:
                made = Path(folder) / "file"
                self._transfer.download(xet_hash, file.size, made)
                with made.open("rb") as stream:
                    return self.objects.add(iter(lambda: stream.read(CHUNK), b""), expected=sha256)[1]

    def _sign(self, text: str) -> str:
        return hmac.digest(self._secret, f"xet:{text}".encode(), "sha256").hex()

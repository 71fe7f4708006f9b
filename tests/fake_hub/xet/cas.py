"""The content-addressed storage behind Xet, on disk: xorbs as they came, files as terms."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.fake_hub.objects import replace_atomically
from tests.fake_hub.xet.shards import Term, XetFile, read_files
from tests.fake_hub.xet.xorbs import Chunk, chunks


class Cas:
    """A folder with xorbs, files by their Xet hash, and the Xet hash of each SHA-256."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def xorb_path(self, xorb: str) -> Path:
        """Where a xorb lies (or would lie)."""
        return self.root / "xorbs" / xorb

    def add_xorb(self, xorb: str, content: bytes) -> bool:
        """Store a xorb; False: it was there.

        Raises:
            ValueError: it is cut off.
        """
        chunks(content)
        new = not self.xorb_path(xorb).exists()
        replace_atomically(self.xorb_path(xorb), content)
        return new

    def add_shard(self, shard: bytes) -> None:
        """Note the files of a shard.

        Raises:
            ValueError: it is cut off, or names a xorb or chunks that were not uploaded.
        """
        for file in read_files(shard):
            for term in file.terms:
                if not self.xorb_path(term.xorb).is_file() or term.end > len(self._chunks(term.xorb)):
                    raise ValueError(f"the file {file.hash} is made of chunks of {term.xorb} that were not uploaded")
            replace_atomically(self.root / "files" / file.hash, json.dumps(asdict(file)).encode())
            if file.sha256:
                replace_atomically(self.root / "sha256" / file.sha256, file.hash.encode())

    def find(self, xet_hash: str) -> XetFile | None:
        """The file of a Xet hash."""
        try:
            data = json.loads((self.root / "files" / xet_hash).read_text())
        except FileNotFoundError:
            return None
        return XetFile(data["hash"], data["sha256"], tuple(Term(**term) for term in data["terms"]))

    def hash_of(self, sha256: str) -> str | None:
        """The Xet hash of the content that has this SHA-256."""
        try:
            return (self.root / "sha256" / sha256).read_text()
        except FileNotFoundError:
            return None

    def forget(self, sha256: str) -> None:
        """That content is to be looked at anew."""
        (self.root / "sha256" / sha256).unlink(missing_ok=True)

    def reconstruction(self, file: XetFile, start: int, stop: int, url: Callable[[str], str]) -> dict[str, Any]:
        """How to put together bytes `start` to `stop` of a file out of parts of xorbs, which `url` gives.

        The parts are whole chunks: the first term begins before `start` where that lies within a chunk.
        """
        terms, fetch_info = [], {}
        offset, skipped = 0, None
        for term in file.terms:
            held: list[tuple[int, Chunk]] = []
            for index, chunk in enumerate(self._chunks(term.xorb)[term.start : term.end], term.start):
                if offset < stop and offset + chunk.length > start:
                    skipped = start - offset if skipped is None else skipped
                    held.append((index, chunk))
                offset += chunk.length
            if held:
                part = {"start": held[0][0], "end": held[-1][0] + 1}
                length = sum(chunk.length for _, chunk in held)
                terms.append({"hash": term.xorb, "unpacked_length": length, "range": part})
                where = {"start": held[0][1].start, "end": held[-1][1].stop - 1}
                fetch_info.setdefault(term.xorb, []).append({"range": part, "url": url(term.xorb), "url_range": where})
        return {"offset_into_first_range": skipped or 0, "terms": terms, "fetch_info": fetch_info}

    def _chunks(self, xorb: str) -> list[Chunk]:
        path = self.xorb_path(xorb)
        return _read_chunks(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read_chunks(path: Path, changed: int) -> list[Chunk]:
    return chunks(path.read_bytes())

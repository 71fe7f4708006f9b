"""HTTP/1.1 over a socket: what a handler is given, what it answers, how bytes get there and back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fake_hub import errors
from tests.fake_hub.objects import CHUNK


class Body:
    """The body of a request, read at most once, with a known length or in chunks."""

    def __init__(self, stream: BinaryIO, headers: Message) -> None:
        self._stream = stream
        self._chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
        self._left = int(headers.get("Content-Length") or 0)

    def __iter__(self) -> Iterator[bytes]:
        if self._chunked:
            while self._chunked:
                size = int(self._stream.readline().split(b";")[0], 16)
                chunk = self._stream.read(size)
                self._stream.readline()
                self._chunked = size > 0
                yield chunk
        while self._left:
            chunk = self._stream.read(min(CHUNK, self._left))
            if not chunk:
                raise ConnectionResetError("the client closed the connection within the body")
            self._left -= len(chunk)
            yield chunk

    def drain(self) -> None:
        """Read what no handler wanted: the next request on the connection starts after it."""
        for _ in self:
            pass


@dataclass
class Request:
    """A request, its path still quoted (`%2F` in a revision is not a separator)."""

    method: str
    target: str
    headers: Message
    body: Body

    @cached_property
    def raw_path(self) -> str:
        return urlsplit(self.target).path

    @property
    def path(self) -> str:
        """The path as a person reads it."""
        return unquote(self.raw_path)

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """All values of each argument; `expand[]` is `expand`."""
        found: dict[str, list[str]] = {}
        for name, values in parse_qs(urlsplit(self.target).query, keep_blank_values=True).items():
            found.setdefault(name.removesuffix("[]"), []).extend(values)
        return found

    def argument(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[-1]

    def flag(self, name: str) -> bool:
        return self.argument(name).lower() in ("1", "true")

    @cached_property
    def content(self) -> bytes:
        """The whole body."""
        return b"".join(self.body)

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object (an empty one for no body); 400 for anything else."""
        try:
            data = json.loads(self.content or b"{}")
        except ValueError as error:
            raise errors.bad_request(f"Invalid JSON: {error}") from error
        if not isinstance(data, dict):
            raise errors.bad_request("A JSON object is expected")
        return data


@dataclass
class Slice:
    """A part of a file on disk, sent without being read into memory as a whole."""

    path: Path
    start: int
    length: int


@dataclass
class Response:
    """An answer; two faults: `cut_after` ends the connection after so many bytes, `trickle` is seconds a piece."""

    status: int = 200
    body: bytes | Slice = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    trickle: float = 0.0

    @classmethod
    def of(cls, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """JSON."""
        return cls(
            status, json.dumps(data).encode(), {"Content-Type": "application/json; charset=utf-8"} | (headers or {})
        )

    @classmethod
    def refusal(cls, error: errors.HubError) -> Response:
        """An error, told in the headers (clients decide by them) and in the body (clients print it)."""
        message = error.message.encode("latin-1", "replace").decode("latin-1").replace("\n", " ")
        headers = {"X-Error-Code": error.code, "X-Error-Message": message} | error.headers
        return cls.of({"error": error.message} | error.body, error.status, headers)

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return self.body.length if isinstance(self.body, Slice) else len(self.body)

    def write(self, stream: BinaryIO) -> None:
        """Send the body, or as much of it as is to be sent."""
        left = self.length if self.cut_after is None else min(self.cut_after, self.length)
        chunk_size = CHUNK if not self.trickle else left // 8 + 1
        if isinstance(self.body, bytes):
            for start in range(0, left, chunk_size):
                time.sleep(self.trickle)
                stream.write(self.body[start : min(left, start + chunk_size)])
            return
        with self.body.path.open("rb") as file:
            file.seek(self.body.start)
            while left > 0 and (chunk := file.read(min(chunk_size, left))):
                time.sleep(self.trickle)
                stream.write(chunk)
                left -= len(chunk)

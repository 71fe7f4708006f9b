"""Plain HTTP to the Hub, for what no client would send."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from tests.fake_hub import HubServer


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    hub: HubServer,
    method: str,
    target: str,
    body: Any = None,
    *,
    token: str | None = "hf_alice",
    headers: dict[str, str] | None = None,
) -> Reply:
    """One request on a connection of its own; a dict is sent as JSON, an iterator of bytes in chunks."""
    sent = dict(headers or {})
    if token:
        sent["Authorization"] = f"Bearer {token}"
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    with closing(http.client.HTTPConnection(urlsplit(hub.url).netloc, timeout=10)) as connection:
        connection.request(method, target.removeprefix(hub.url), body, sent, encode_chunked=not isinstance(body, bytes))
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())


def commit(
    hub: HubServer,
    repo_id: str,
    operations: Iterable[tuple[str, dict[str, Any]]],
    *,
    parent: str | None = None,
    token: str = "hf_alice",
    revision: str = "main",
) -> Reply:
    """The reply to a commit of these operations (key and value of each line)."""
    header = {"summary": "Change", "description": ""} | ({"parentCommit": parent} if parent else {})
    lines = [{"key": "header", "value": header}, *({"key": key, "value": value} for key, value in operations)]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return ask(hub, "POST", f"/api/models/{repo_id}/commit/{revision}", body, token=token)


def text(path: str, content: str) -> tuple[str, dict[str, Any]]:
    """The operation that adds a regular file."""
    return "file", {"path": path, "content": base64.b64encode(content.encode()).decode(), "encoding": "base64"}


def large(path: str, oid: str, size: int) -> tuple[str, dict[str, Any]]:
    """The operation that adds an uploaded object."""
    return "lfsFile", {"path": path, "algo": "sha256", "oid": oid, "size": size}


def upload_address(hub: HubServer, repo_id: str, content: bytes) -> tuple[str, str | None]:
    """The object id of a content, and where to put it; None if the Hub has it."""
    oid = hashlib.sha256(content).hexdigest()
    data = {"operation": "upload", "objects": [{"oid": oid, "size": len(content)}], "hash_algo": "sha256"}
    (offer,) = ask(hub, "POST", f"/{repo_id}.git/info/lfs/objects/batch", data).json["objects"]
    return oid, offer["actions"]["upload"]["href"] if "actions" in offer else None

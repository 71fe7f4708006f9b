"""The server: sockets, and what tests say to it directly."""

from __future__ import annotations

import secrets
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self

from tests.fake_hub import faults, upload_rules
from tests.fake_hub.access import User
from tests.fake_hub.faults import Fault
from tests.fake_hub.protocol import Protocol
from tests.fake_hub.records import Commit, Repo
from tests.fake_hub.store import Store
from tests.fake_hub.wire import Body, Request, Response
from tests.fake_hub.xet.storage import XetStorage


class HubServer:
    """A Hub on 127.0.0.1, kept under a folder; a later server on the same folder has the same repos.

    Attributes:
        url: its address, the value for `HF_ENDPOINT`.
        tokens: who each token belongs to; may be changed while the server runs.
        faults: what is to go wrong, see `Fault`; may be changed while the server runs.
        log: `METHOD path status` of each answered request (`lost` for one that got no answer), in order.
        store: the repos themselves.
        xet: the storage of large files.

    With `storage="lfs"` downloads of large files are plain HTTP, as from a Hub before Xet; either kind of upload is
    taken by both, as each client asks for the one that it knows.
    """

    def __init__(
        self,
        root: Path,
        tokens: Mapping[str, User] | None = None,
        *,
        port: int = 0,
        storage: Literal["xet", "lfs"] = "xet",
    ) -> None:
        self.tokens = dict(tokens or {})
        self.faults: list[Fault] = []
        self.log: list[str] = []
        self.store = Store(Path(root))
        self._sockets = _Sockets(("127.0.0.1", port), _Handler, self)
        self.url = f"http://127.0.0.1:{self._sockets.server_address[1]}"
        secret = secrets.token_bytes()
        self.xet = XetStorage(self.store.root / "xet", self.store.objects, self.url, secret, offered=storage == "xet")
        self.protocol = Protocol(self.store, self.url, secret, self.tokens, self.xet)
        self._thread = threading.Thread(target=self._sockets.serve_forever, args=(0.05,), name="hub")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Answer requests from now on, in threads."""
        self._thread.start()

    def stop(self) -> None:
        """Close all connections and wait for the threads."""
        self._sockets.shutdown()
        self._thread.join()
        self._sockets.server_close()

    def env(self, home: Path, token: str | None = None) -> dict[str, str]:
        """Environment variables for a client process: this server, that token, caches under `home`.

        They must be set before `huggingface_hub` is imported, hence for another process:
        `subprocess.run(..., env=os.environ | hub.env(home))`.
        """
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_TOKEN": token or "",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def seed(
        self,
        repo_id: str,
        files: Path | str | Mapping[str, bytes],
        *,
        message: str = "Add files",
        kind: str = "models",
        private: bool = False,
    ) -> Commit:
        """Put files (a folder, or contents by path) into a repo, made if need be, and return the commit.

        The owner of the namespace is the author. No check of a card: a seed may be what the Hub would refuse. The
        repo's `.gitattributes`, which may be among the files, says which are large: with an empty one none is by name.
        """
        if isinstance(files, Path | str):
            files = Path(files)
            files = {
                path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*") if path.is_file()
            }
        author = repo_id.partition("/")[0]
        if self.store.find(kind, repo_id) is None:
            self.store.create(kind, repo_id, author=author, private=private)
        with self.store.edit(kind, repo_id) as repo:
            head = self.store.commit(repo, "main")
            attributes = head.tree.get(".gitattributes")
            before = self.store.objects.read(attributes.sha256) if attributes else b""
            patterns = upload_rules.large_file_patterns(files.get(".gitattributes", before))
            added = {
                path: self.store.add_file(content, lfs=upload_rules.is_large(path, len(content), patterns))
                for path, content in files.items()
            }
            tree = {**head.tree, **added}
            commit = self.store.add_commit(repo, tree, (head.oid,), title=message, message="", author=author)
            repo.branches["main"] = commit.oid
        return commit

    def exchange(self, sha256: str, content: bytes) -> bytes:
        """Give other bytes for a content from now on, whichever way they are asked for; returns those before."""
        path = self.store.objects.path(sha256)
        before = path.read_bytes()
        path.write_bytes(content)
        self.xet.cas.forget(sha256)
        return before

    def repo(self, repo_id: str, *, kind: str = "models") -> Repo:
        """Settings, refs and discussions of a repo; KeyError where there is none."""
        found = self.store.find(kind, repo_id)
        if found is None:
            raise KeyError(repo_id)
        return found

    def files(self, repo_id: str, revision: str = "main", *, kind: str = "models") -> dict[str, bytes]:
        """The contents at a revision, by path."""
        tree = self.store.commit(self.repo(repo_id, kind=kind), revision).tree
        return {path: self.store.objects.read(file.sha256) for path, file in tree.items()}

    def commits(self, repo_id: str, revision: str = "main", *, kind: str = "models") -> list[Commit]:
        """The history of a revision, newest first."""
        repo = self.repo(repo_id, kind=kind)
        return list(self.store.history(repo, self.store.commit(repo, revision)))


class _Sockets(ThreadingHTTPServer):
    """A thread for each connection; closing ends the idle ones, which clients keep open."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], hub: HubServer) -> None:
        super().__init__(address, handler)
        self.hub = hub
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        with self._guard:
            for connection in self._open:
                with suppress(OSError):  # closed by the client already
                    connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong on a connection, unless it is only that the client went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection: requests in, responses out."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Sockets

    def serve(self) -> None:
        hub = self.server.hub
        request = Request(self.command, self.path, self.headers, Body(self.rfile, self.headers))  # type: ignore[arg-type]
        response = faults.handle(hub.faults, request, hub.protocol.answer)
        request.body.drain()
        hub.log.append(f"{request.method} {request.path} {response.status if response else 'lost'}")
        if response is None:
            self.close_connection = True
            return
        self._send(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - the names in the base class

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(response.length))
        self.send_header("X-Request-Id", secrets.token_hex(8))
        self.end_headers()
        if self.command != "HEAD":
            response.write(self.wfile)  # type: ignore[arg-type]
        if response.cut_after is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Nothing: `HubServer.log` has it."""

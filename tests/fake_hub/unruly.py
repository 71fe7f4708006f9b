"""A server whose answers have no end, or none in time."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Way = Callable[[socket.socket, "Unruly"], None]
CHUNKED = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
MIB = 1 << 20
WEIGHTS = "model.safetensors"


class Unruly:
    """Answers every request in its `way`; counts the requests and the bytes of the bodies that it got rid of."""

    def __init__(self, way: Way) -> None:
        self.way, self.requests, self.sent = way, list[str](), 0
        self.stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def body(self, connection: socket.socket, piece: bytes, pause: float = 0.0) -> None:
        """Send the piece as chunks of a body, for ever."""
        while not self.stopped.is_set():
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.sent += len(piece)
            time.sleep(pause)

    def stop(self) -> None:
        self.stopped.set()
        self._socket.close()

    def _serve(self) -> None:
        while not self.stopped.is_set():
            with suppress(OSError):
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self.requests.append(connection.recv(65536).split(b"\r\n")[0].decode())
            self.way(connection, self)


@contextmanager
def unruly(way: Way) -> Iterator[Unruly]:
    server = Unruly(way)
    try:
        yield server
    finally:
        server.stop()


def endless(connection: socket.socket, server: Unruly) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + CHUNKED)
    server.body(connection, b"[" * MIB)


def endless_refusal(connection: socket.socket, server: Unruly) -> None:
    connection.sendall(b"HTTP/1.1 404 Not Found\r\n" + CHUNKED)
    server.body(connection, b"[" * MIB)


def endless_redirect(connection: socket.socket, server: Unruly) -> None:
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n" + CHUNKED)
    server.body(connection, b"[" * MIB)


def packed(connection: socket.socket, server: Unruly) -> None:
    """32 MiB that come as 32 kB."""
    content = gzip.compress(b"[" * 32 * MIB)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(content))
    connection.sendall(content)


def foreign(connection: socket.socket, server: Unruly) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: 2\r\n\r\n{}")


def announced(connection: socket.socket, server: Unruly) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (800 * MIB))
    server.stopped.wait()


def dripping(connection: socket.socket, server: Unruly) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + CHUNKED)
    server.body(connection, b"[", 0.05)


def dripping_head(connection: socket.socket, server: Unruly) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not server.stopped.is_set():
        connection.sendall(b"a")
        time.sleep(0.05)


def silent(connection: socket.socket, server: Unruly) -> None:
    server.stopped.wait()


def login_page(connection: socket.socket, server: Unruly) -> None:
    page = b"<html>Please log in</html>"
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page)


def plain_page(connection: socket.socket, server: Unruly) -> None:
    page = b"Please log in, in some other way"
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page))


def paged(following: Callable[[str, int], str], items: int = 1) -> Way:
    """Lists of files in pages, each of which says that there is another: at what `following` makes of url and count."""

    def way(connection: socket.socket, server: Unruly) -> None:
        page = len(server.requests)
        files = [{"type": "file", "path": f"{page}-{n}.txt", "size": 1, "oid": "0" * 40} for n in range(items)]
        body = json.dumps(files).encode()
        link = f'<{following(server.url, page)}>; rel="next"'
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLink: {link}\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return way


COMMIT = "a" * 40
SIZE = 40_000  # bytes; 32 MiB of the same byte are fewer, packed


def endless_file(encoding: str = "", head_encoding: str = "") -> Way:
    """A repository with a config.json of some bytes, which is sent for ever; or packed, as one of 32 MiB.

    With `head_encoding`, the answer about the file claims that its size is that of a packed one.
    """

    def way(connection: socket.socket, server: Unruly) -> None:
        method, path, _ = server.requests[-1].split(" ")
        about = f'ETag: "{"b" * 40}"\r\nX-Repo-Commit: {COMMIT}\r\nConnection: close\r\n'
        if "/resolve/" not in path:
            names = [{"rfilename": name, "size": SIZE, "blobId": "b" * 40} for name in ("config.json", WEIGHTS)]
            body = json.dumps({"id": "a/b", "sha": COMMIT, "siblings": names}).encode()
            head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        elif method == "HEAD":
            packed = f"Content-Encoding: {head_encoding}\r\n" * bool(head_encoding)
            connection.sendall(f"HTTP/1.1 200 OK\r\n{about}{packed}Content-Length: {SIZE}\r\n\r\n".encode())
        elif encoding:
            content = gzip.compress(b"[" * 32 * MIB)
            head = f"HTTP/1.1 200 OK\r\n{about}Content-Encoding: gzip\r\nContent-Length: {len(content)}\r\n\r\n"
            connection.sendall(head.encode() + content)
        else:
            connection.sendall(f"HTTP/1.1 200 OK\r\n{about}".encode() + CHUNKED)
            server.body(connection, b"[" * MIB)

    return way

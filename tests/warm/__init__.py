"""Processes of Python that begin with torch and its like already imported: as `subprocess`, but seconds sooner.

    run("-m", "hubslice", "info", "run", env=..., cwd=...)

A parent, one a test process, imports what takes long and reads no setting of users; what it forks (`__main__`) takes on
environment, working directory, arguments and streams of the one who asked, and is a process of its own in all that
follows: it imports hubslice and the clients of the Hub itself, can be killed, and ends as Python ends. Tests of how an
interpreter starts (PYTHONHASHSEED, what an import takes, signals during it) need `subprocess`.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).parents[2])


class Parent:
    """The process that the others are forked from."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.folder = Path(tempfile.mkdtemp(prefix="warm-"))
        self.address = str(self.folder / "socket")
        environment = os.environ | {"PYTHONPATH": ROOT, "MPLBACKEND": "agg"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", self.address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        atexit.register(self.end)

    def end(self) -> None:
        if os.getpid() != self.owner:  # a fork of the test process
            return
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()  # which it takes for the end
        self.process.stdout.close()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def fork(self, request: dict[str, Any], streams: tuple[int, int, int]) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.address)
        socket.send_fds(connection, [b" "], list(streams))
        connection.sendall(json.dumps(request).encode() + b"\n")
        return connection


_parent: Parent | None = None
_lock = threading.Lock()


def parent() -> Parent:
    """The one parent of this test process, started when it is first needed."""
    global _parent
    with _lock:
        if _parent is None:
            _parent = Parent()
    return _parent


class Started:
    """What can be done with a process under way; names and meaning are those of `subprocess.Popen`."""

    def __init__(
        self,
        *arguments: str,
        env: dict[str, str] | None = None,
        cwd: str | Path | None = None,
        new_session: bool = False,
    ) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self._told: dict[int, list[bytes]] = {1: [], 2: []}
        request = {
            "arguments": arguments,
            "environment": dict(os.environ if env is None else env),
            "folder": str(Path(cwd or ".").absolute()),
            "new_session": new_session,
        }
        pipes = {stream: os.pipe() for stream in (1, 2)}
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            self._connection = parent().fork(request, (nothing, pipes[1][1], pipes[2][1]))
        finally:
            for descriptor in (nothing, pipes[1][1], pipes[2][1]):
                os.close(descriptor)
        self._answers = self._connection.makefile("r")
        self.pid = int(self._answers.readline())
        self._readers = [
            threading.Thread(target=self._read, args=(stream, pipes[stream][0]), daemon=True) for stream in (1, 2)
        ]
        for reader in self._readers:
            reader.start()
        self._waiting = threading.Thread(target=self._wait, daemon=True)
        self._waiting.start()

    def _read(self, stream: int, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb") as file:
            self._told[stream] += iter(lambda: file.read1(1 << 16), b"")

    def _wait(self) -> None:
        status = self._answers.readline()
        self.returncode = os.waitstatus_to_exitcode(int(status))
        self._answers.close()
        self._connection.close()

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, sent: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sent)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        self._waiting.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it wrote, when it has ended; of all that it started, too."""
        self.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return b"".join(self._told[1]).decode(), b"".join(self._told[2]).decode()


def run(
    *arguments: str, env: dict[str, str] | None = None, cwd: str | Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """`subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, ...)`."""
    started = Started(*arguments, env=env, cwd=cwd)
    try:
        stdout, stderr = started.communicate(timeout)
    except subprocess.TimeoutExpired:
        started.kill()
        raise
    return subprocess.CompletedProcess(list(arguments), started.wait(), stdout, stderr)

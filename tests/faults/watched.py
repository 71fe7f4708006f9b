"""Verifies students one after the other while everything that only a stranger's file could bring about is noted.

    python -m tests.faults.watched NOTE CANARY TARGET...

Prints, for each target, JSON of how it ended; NOTE gets a line for each file opened under CANARY (the first is our own,
to show that it is seen), each connection, each program, and each module that is run out of a target.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from hubslice.app import run


def watch(note: str, canary: str, targets: list[str]) -> None:
    """Note events from now on, in the order in which they come."""
    handle = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and canary in str(arguments[0]):
            os.write(handle, f"open {arguments[0]!a}\n".encode())
        elif event in ("socket.connect", "socket.getaddrinfo"):
            os.write(handle, f"{event} {arguments[-4:]!a}\n".encode())
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class"):
            os.write(handle, f"{event} {arguments!a}\n".encode())
        elif event == "exec" and any(each in getattr(arguments[0], "co_filename", "") for each in targets):
            os.write(handle, f"code {arguments[0]!a}\n".encode())

    sys.addaudithook(hook)


def main(note: str, canary: str, *targets: str) -> None:
    run(["verify", targets[0], "--sample", "1", "--json"])  # all that is imported is imported
    watch(note, canary, [target for target in targets if Path(target).is_absolute()])
    Path(canary, "secret.json").read_bytes()  # to show that the watch sees it
    for target in targets:
        os.write(2, f"== {target}\n".encode())
        started, told = time.monotonic(), StringIO()
        with redirect_stdout(told):
            code = run(["verify", target, "--sample", "1", "--json"])
        print(json.dumps({"target": target, "code": code, "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Kills a command with `kill -9` while it talks to the Hub, again and again, then lets it come to its end.

    python -m tests.run.hub_kills REQUESTS JSON

REQUESTS is a file to which the Hub writes `METHOD path` of every request as it comes in. JSON tells the `command`, one
of its kind that touches nothing of it (`warm`), and the `moments`: a life ends so many seconds after a request that
matches an expression. Prints the exit codes of all lives: -9 of those that were killed, then those of the last ones.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from functools import partial
from pathlib import Path

from huggingface_hub import constants

from hubslice.app import run
from tests import exports_once
from tests.run.lives import fork, import_what, outlive

PATIENCE = 20.0  # seconds for a request to come
TRIES = 3  # a commit that came after the death of who made it stands in the way of the next push, once


def live(command: list[str]) -> None:
    """Give the command, in this process; what it prints goes to stderr."""
    os.dup2(2, 1)
    if code := run(command):
        os._exit(code)


def cut_short(command: list[str], requests: Path, moment: str, pause: float) -> int:
    """Live until a request of that kind has come; gives the exit code."""
    before = requests.stat().st_size
    pid = fork(partial(live, command))
    end = time.monotonic() + PATIENCE
    while not re.search(moment, requests.read_text()[before:], re.MULTILINE) and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(pause)
    os.kill(pid, signal.SIGKILL)
    return outlive(pid)


def main(requests: Path, command: list[str], warm: list[str], moments: list[tuple[str, float]]) -> None:
    exports_once.wrap()
    constants.DOWNLOAD_CHUNK_SIZE = 1 << 16  # bytes: what has come is on the disk when the kill strikes
    import_what(partial(live, warm), requests.with_name("modules"))
    codes = [cut_short(command, requests, moment, pause) for moment, pause in moments]
    for _ in range(TRIES):
        codes.append(outlive(fork(partial(live, command))))
        if codes[-1] == 0:
            break
    print(json.dumps(codes))


if __name__ == "__main__":
    main(Path(sys.argv[1]), **json.loads(sys.argv[2]))

"""One command of hubslice, lived in a child of this process, watched, and judged by how it ended.

A fork takes no time where torch takes seconds to import; a crash in native code ends the child alone.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.run.lives import fork

from .outcome import Trial

SECONDS = 120  # that a command may take
MEMORY = 4096  # MiB that it may take
WORDS = 6000  # characters that an error may have
SECRET = "hf_" + "NobodyMayEverSeeThisToken00000000"
CANARY = "canary"  # a file of this name lies outside of what a command was given; nothing may open it
OPENED = "it opened "
TOLD = "told.txt"  # what the watch saw, a line each
CODES = frozenset({0, 1, 2, 3})

_PLACED = re.compile(r"recipe\.yaml:\d+")  # a mistake told with its line
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (minus the signal that killed it), what it printed, what the watch saw."""

    code: int
    stdout: str
    stderr: str
    seen: tuple[str, ...]
    seconds: float
    memory: int
    late: bool

    def wrong(self, codes: frozenset[int] = CODES) -> Iterator[str]:
        """What is not as it should be at the end of any command."""
        said = " ".join(self.stderr.split())
        if self.late:
            yield f"it had not ended after {SECONDS} s"
        elif self.code not in codes:
            yield f"it ended with {self.code}: {said[-300:]}"
        if "Traceback" in self.stderr or "this is a fault of hubslice" in said:
            yield f"a traceback: {said[-300:]}"
        if self.code in (1, 2, 3) and "error: " not in said:
            yield f"nothing says why it ended with {self.code}: {said[-200:]}"
        if self.code in (2, 3) and "hint: " not in said and not _PLACED.search(said):
            yield f"nothing says what mends it: {said[-300:]}"
        if len(self.stderr) > WORDS:
            yield f"{len(self.stderr)} characters on stderr"
        if found := _CONTROL.search(self.stdout + self.stderr):
            yield f"the character {found.group()!a} in what it prints"
        if SECRET in self.stdout + self.stderr:
            yield "the token in what it prints"
        if self.memory > MEMORY:
            yield f"{self.memory} MiB of memory"
        yield from self.seen


def live(arguments: Sequence[str], folder: Path, *, hub: bool = False, before: Callable[[int], None] = int) -> Ended:
    """Give the command in `folder` and wait for its end; `hub`: connections are allowed to the Hub of this machine.

    `before` is called with the child's id once it lives.
    """
    started = time.monotonic()
    pid = fork(lambda: _child(arguments, folder, hub=hub))
    before(pid)
    late = False
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            break
        if not late and time.monotonic() - started > SECONDS:
            late = True
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.005)
    told = [folder / name for name in ("stdout.txt", "stderr.txt")]  # not there where it was ended before they were
    streams = [path.read_text(errors="backslashreplace") if path.is_file() else "" for path in told]
    seen = tuple((folder / TOLD).read_text().splitlines()[:20]) if (folder / TOLD).is_file() else ()
    for name in ("stdout.txt", "stderr.txt", TOLD):
        (folder / name).unlink(missing_ok=True)
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, *streams, seen, time.monotonic() - started, usage.ru_maxrss >> 10, late)


def trial_of(name: str, ended: Sequence[Ended], wrong: Sequence[str]) -> Trial:
    """The trial that these commands were."""
    return Trial(
        name=name,
        ends=tuple(str(each.code) for each in ended),
        wrong=tuple(told[:400] for told in wrong),
        seconds=sum(each.seconds for each in ended),
        slowest=max(each.seconds for each in ended),
        memory=max(each.memory for each in ended),
    )


def _child(arguments: Sequence[str], folder: Path, *, hub: bool) -> None:
    from hubslice.app import run
    from hubslice.terminal.ending import ended_by_signals

    os.setsid()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(folder)
    for number, name in ((0, os.devnull), (1, "stdout.txt"), (2, "stderr.txt")):
        handle = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(handle, number)
        os.close(handle)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell in the background has some ignored
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _watch(hub=hub)
    with ended_by_signals():
        code = run(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _watch(*, hub: bool) -> None:
    """Note what no command may do to a stranger's file: open what it was not given, connect, start a program."""
    told = os.open(TOLD, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and CANARY in str(arguments[0]):
            os.write(told, f"{OPENED}{str(arguments[0])!a}\n".encode())
        elif event == "socket.connect" and not (hub and "127.0.0.1" in str(arguments[1])):
            os.write(told, f"it connected to {str(arguments[1])!a}\n".encode())
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
            os.write(told, f"it started a program: {str(arguments[0])!a}\n".encode())

    sys.addaudithook(note)


def strays(folder: Path) -> list[str]:
    """What no command that ended leaves: drafts, and notes of who works there."""
    found = (path for path in folder.rglob("*") if path.name.endswith((".draft", ".running.json")))
    return sorted(path.relative_to(folder).as_posix() for path in found)

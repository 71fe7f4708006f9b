"""Handle signals that end a command: it cleans up, and reports why it ended.

Ctrl-C sends SIGINT, schedulers and containers SIGTERM, a closed terminal SIGHUP. By default the last two end a process
immediately. This module imports little: until it is imported, signals have their default effect.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import time
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # same as typing.TYPE_CHECKING, whose import takes time
if TYPE_CHECKING:
    from collections.abc import Iterator
    from sys import UnraisableHookArgs
    from types import FrameType

_SOON = 0.05  # seconds until a signal that cannot be raised now is sent again
_IMPORT = 10.0  # maximum seconds to wait for an import to end
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_received: list[Ended] = []
_waiting: set[int] = set()  # signals that could not be raised yet, and are sent again


class Ended(KeyboardInterrupt):
    """A signal asked the process to end; code that handles Ctrl-C also handles this."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number  # the shells' convention for a process that a signal ended
        super().__init__("interrupted" if number == signal.SIGINT else f"ended by {self.name}")


def received() -> Ended | None:
    """Return the signal that ends this command, if there was one; a pending one is no longer raised."""
    if _waiting and not _received:
        _received.append(Ended(min(_waiting)))
    _waiting.clear()
    return _received[0] if _received else None


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Ended` in the block, in the main thread, on such a signal; after the first only Ctrl-C has an effect.

    An ignored signal, as under nohup, stays ignored. One that arrives while a module is being imported is raised
    afterwards: a partially imported module would fail later with an unrelated error. One that arrives while Python
    finalises objects, where no exception can be raised, is sent again.
    """
    process, usual, first = os.getpid(), sys.unraisablehook, list[float]()

    def again(number: int) -> None:
        """Send the signal a little later; threading's own timers use locks that the main thread may hold now."""
        if number not in _waiting:
            _waiting.add(number)
            _thread.start_new_thread(send, (number,))

    def send(number: int) -> None:
        time.sleep(_SOON)
        while number in _waiting:
            os.kill(process, number)
            time.sleep(_SOON)

    def lost(told: UnraisableHookArgs) -> None:
        error = told.exc_value
        if not isinstance(error, KeyboardInterrupt) or os.getpid() != process:
            usual(told)
            return
        _received.clear()
        again(error.number if isinstance(error, Ended) else signal.SIGINT)

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a forked worker, whose message nobody reads
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        first.append(time.monotonic())
        if _importing(frame) and first[-1] - first[0] < _IMPORT:
            again(number)
        elif not _received or number == signal.SIGINT:
            _waiting.discard(number)
            _received.append(Ended(number))
            raise _received[-1]

    before = {}
    for number in _numbers():
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            before[number] = signal.signal(number, end)
    sys.unraisablehook = lost
    try:
        yield
    finally:
        sys.unraisablehook = usual
        _waiting.clear()
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def leave_on_signals(exit_code: int) -> None:
    """Let such a signal end a finished command at once, with the exit code that it has anyway."""
    with suppress(OSError):  # the terminal was closed
        sys.stdout.flush()
    for number in _numbers():
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, lambda *_: os._exit(exit_code))


def _numbers() -> list[int]:
    return [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


def _importing(frame: FrameType | None) -> bool:
    """Return whether the code running in this frame is part of an import."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False

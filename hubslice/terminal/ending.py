"""Signals that end a command from outside: it clears away what it began, as after Ctrl-C, and says why it ended.

Schedulers and containers send SIGTERM, a terminal that is closed SIGHUP. By default both end a process on the spot.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_SOON: Final = 0.05  # seconds until a signal that was lost is sent again
_NAMES = ("SIGTERM", "SIGHUP")  # Windows knows no SIGHUP
_received: list[Ended] = []


class Ended(KeyboardInterrupt):
    """The process was told to end; what handles Ctrl-C handles this alike."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number  # what shells use for a process that a signal ended
        super().__init__(f"ended by {self.name}")


def received() -> Ended | None:
    """The signal that ends this command, if one came."""
    return _received[0] if _received else None


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Ended` in the block, in the main thread, when such a signal comes; further ones are not heard.

    One that is ignored, as under nohup, stays so. One that comes while Python clears objects away, where no exception
    can be raised, is sent again; Ctrl-C likewise.
    """
    process, usual, waiting = os.getpid(), sys.unraisablehook, list[threading.Timer]()

    def lost(told: UnraisableHookArgs) -> None:
        error = told.exc_value
        if not isinstance(error, KeyboardInterrupt) or os.getpid() != process:
            usual(told)
            return
        _received.clear()
        number = error.number if isinstance(error, Ended) else signal.SIGINT
        again = threading.Timer(_SOON, os.kill, (process, number))
        again.daemon = True
        waiting.append(again)
        again.start()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a worker that was forked off; nobody waits for its words
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not _received:
            _received.append(Ended(number))
            raise _received[0]

    before = {}
    for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
        if signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, end)
    sys.unraisablehook = lost
    try:
        yield
    finally:
        sys.unraisablehook = usual
        for again in waiting:
            again.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()

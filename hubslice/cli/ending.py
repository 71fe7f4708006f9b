"""Signals that end a command from outside: it clears away what it began, as after Ctrl-C, and says why it ended.

Schedulers and containers send SIGTERM, a terminal that is closed SIGHUP. By default both end a process on the spot.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP")  # Windows knows no SIGHUP
_received: list[Ended] = []


class Ended(KeyboardInterrupt):
    """The process was told to end; what handles Ctrl-C handles this alike."""

    def __init__(self, number: int) -> None:
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number  # what shells use for a process that a signal ended
        super().__init__(f"ended by {self.name}")


def received() -> Ended | None:
    """The signal that ends this command, if one came."""
    return _received[0] if _received else None


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Ended` in the block, in the main thread, when such a signal comes; further ones are not heard.

    One that is ignored, as under nohup, stays so.
    """
    process = os.getpid()

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
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()

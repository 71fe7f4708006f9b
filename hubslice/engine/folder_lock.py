"""Allow one process at a time in a run folder.

The operating system holds the lock and releases it when the process ends, however it ends. Not to be confused with
`hubslice.lock`, which records where a run's results come from.
"""

from __future__ import annotations

import errno
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hubslice.core.artefact import Artefact
from hubslice.core.errors import RunError

LOCK = ".running"  # never deleted: other processes may be opening it, and would then lock different files
HOLDER = ".running.json"
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}


class Holder(Artefact):
    """The process that works in a run folder: its id, its machine, and its start (local time)."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lock the folder, which must exist, inside the block. On a file system without locks, warn and continue.

    Raises:
        RunError: another process holds the lock.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(
            f"{folder} is in use by {_holder(folder)}",
            hint="wait until it is done (`hubslice info` shows its steps), or choose another folder with --out",
        ) from error
    except (NotImplementedError, OSError) as error:  # locks are not supported: raised by filelock, and by the system
        if isinstance(error, OSError) and error.errno not in _WITHOUT_LOCKS:
            raise
        _warn(folder)
    try:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        Holder(pid=os.getpid(), host=socket.gethostname(), since=since).save(folder / HOLDER)
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> str:
    try:
        return str(Holder.load(folder / HOLDER))
    except RunError:  # it has only just started
        return "another process"


def _warn(folder: Path) -> None:
    warnings.warn(
        f"the file system of {folder} has no locks: see to it that no second hubslice works there",
        RuntimeWarning,
        stacklevel=2,
    )

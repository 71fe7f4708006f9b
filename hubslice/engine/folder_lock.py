"""One process at a time in a run folder.

The lock belongs to the operating system: it ends with the process that holds it, however that ends. It is not to be
confused with `hubslice.lock`, which is about where a run's results come from.
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

LOCK = ".running"  # stays when nobody works there: to delete a file that others may be opening would part them
HOLDER = ".running.json"
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}


class Holder(Artefact):
    """Who works in a run folder: process, machine, and since when (local time)."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder, which must exist, while inside. On a file system without locks, warn and go on.

    Raises:
        RunError: another process holds it.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(
            f"{folder} is in use by {_holder(folder)}",
            hint="wait until it is done (`hubslice info` shows its steps), or choose another folder with --out",
        ) from error
    except (NotImplementedError, OSError) as error:  # there are no locks: filelock's word, the system's
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
    except RunError:  # it has just begun
        return "another process"


def _warn(folder: Path) -> None:
    warnings.warn(
        f"the file system of {folder} has no locks: see to it that no second hubslice works there",
        RuntimeWarning,
        stacklevel=2,
    )

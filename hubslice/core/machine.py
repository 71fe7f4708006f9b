"""Faults of the user's machine: no room on the disk, no right to write, no memory.

Every library words them in its own way and type. They are told apart here, in one place, and become named errors.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hubslice.core.caches import caches
from hubslice.core.errors import DiskError, HubsliceError, MemoryShortError
from hubslice.core.foreign_errors import first_line

AGAIN = "give the same command again: it goes on where it stopped"

# How PyTorch, ONNX Runtime, CUDA, cuBLAS, cuDNN, NumPy and the C++ library word it.
_MEMORY = re.compile(
    r"out of memory|not enough memory|cannot allocate memory|unable to allocate|failed to allocate|tried to allocate"
    r"|bad[_ ]alloc|alloc_failed",
    re.IGNORECASE,
)
# How Rust (safetensors), Arrow and Python put a system error's number into their message.
_NUMBER = re.compile(r"(?:os error|errno) (\d+)", re.IGNORECASE)


class _Fault(NamedTuple):
    why: str
    hint: str


_FULL = _Fault("the disk is full", f"free space there, then {AGAIN}")
_RIGHTS = _Fault("this user has no right to", "choose another folder with --out, or see to the rights of this one")
_DISK = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _Fault("this user's share of the disk (quota) is used up", _FULL.hint),
    errno.EFBIG: _Fault(
        "the system allows no file of that size", f"raise the limit (ulimit -f, or another file system), then {AGAIN}"
    ),
    errno.EROFS: _Fault("the file system is read-only", "choose a folder on another one with --out"),
    errno.EIO: _Fault("the system reports an input/output error", f"check the disk, then {AGAIN}"),
}
# Of files that are merely read, too; who meets them there tells it better.
_PLACE = {
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOTDIR: _Fault("a part of this path is a file, not a folder", "choose another folder with --out"),
    errno.ENAMETOOLONG: _Fault("the path is too long for the file system", "choose a shorter one with --out"),
}


def out_of_memory(error: BaseException) -> bool:
    """Whether the error says that memory did not suffice, on whatever device."""
    if isinstance(error, HubsliceError):
        return False
    return isinstance(error, MemoryError) or _MEMORY.search(str(error)) is not None


def disk_full(error: BaseException) -> bool:
    """Whether a disk, or the user's share of it, was full, in whatever words."""
    return any(_DISK.get(_number(cause)) in (_FULL, _DISK[errno.EDQUOT]) for cause in _chain(error))


def cache_fault(error: BaseException) -> DiskError | None:
    """The error of a cache of the Hub, or of ours, that cannot be written or made; None where it is something else."""
    number = _number(error)
    fault = _PLACE.get(number) or _DISK.get(number)
    place = _named(error)
    if fault is None or fault is _FULL or place is None:
        return None
    for cache in caches():
        inside, above = place.absolute().is_relative_to(cache.folder), cache.folder.is_relative_to(place.absolute())
        if inside or above:
            return DiskError(
                f"cannot write the cache of {cache.of} at {cache.folder}: {place}: {fault.why}",
                hint=f"set {cache.variable} to a folder that this user may write{cache.now}",
            )
    return None


def machine_fault(error: BaseException, doing: str = "", folder: Path | None = None) -> HubsliceError | None:
    """The named error behind any other, or behind what caused it; None where the machine is not to blame.

    `doing` completes "out of memory while ..."; `folder` is where files were being written.
    """
    if isinstance(error, DiskError | MemoryShortError):
        return None
    for cause in _chain(error):
        if cache := cache_fault(cause):
            return cache
        if fault := _DISK.get(_number(cause)):
            return _disk_error("write", fault, cause, folder)
        if out_of_memory(cause):
            return MemoryShortError(
                f"out of memory{f' while {doing}' if doing else ''} ({first_line(cause)})",
                hint=f"end other programs, or take a larger machine or a smaller teacher.input_size; then {AGAIN}",
            )
    if fault := _PLACE.get(_number(error)):
        return _disk_error("use", fault, error, folder)
    return None


@contextmanager
def faults_told(doing: str, folder: Path) -> Iterator[None]:
    """Raise faults of the machine by their names, whatever a library makes of them.

    Raises:
        DiskError: a file could not be written.
        MemoryShortError: memory did not suffice.
    """
    try:
        yield
    except Exception as error:
        fault = machine_fault(error, doing, folder)
        if fault is None:
            raise
        raise fault from error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from or while handling."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def _number(error: BaseException) -> int:
    """The system error's number: the error's own, or the one that its message tells."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if isinstance(error, HubsliceError):
        return 0  # its message may quote a file's name
    if "No space left on device" in str(error):
        return errno.ENOSPC
    told = _NUMBER.search(str(error))
    return int(told[1]) if told else 0


def _named(error: BaseException) -> Path | None:
    """The file that a system error is about."""
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    return Path(named) if isinstance(named, str | Path) else None


def _disk_error(verb: str, fault: _Fault, error: BaseException, folder: Path | None) -> DiskError:
    place = _named(error) or folder
    free = _free(place) if fault is _FULL else ""
    return DiskError(f"cannot {verb} {place or 'a file'}: {fault.why}{free}", hint=fault.hint)


def _free(place: Path | None) -> str:
    """How much room is left on the disk that holds `place`, which need not exist."""
    for folder in (place, *place.absolute().parents) if place else ():
        try:
            return f" ({shutil.disk_usage(folder).free / 2**20:.1f} MiB free)"
        except OSError:
            continue
    return ""

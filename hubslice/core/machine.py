"""Turn errors of the machine (full disk, missing permission, out of memory) into named errors.

Every library words them differently and raises different types. They are all recognised in this module.
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

# Messages of PyTorch, ONNX Runtime, CUDA, cuBLAS, cuDNN, NumPy and the C++ library.
_MEMORY = re.compile(
    r"out of memory|not enough memory|cannot allocate memory|unable to allocate|failed to allocate|tried to allocate"
    r"|bad[_ ]alloc|alloc_failed",
    re.IGNORECASE,
)
# How Rust (safetensors), Arrow and Python put a system error number into their messages.
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
# Also raised for files that are only read; callers that read files report these errors better.
_PLACE = {
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOTDIR: _Fault("a part of this path is a file, not a folder", "choose another folder with --out"),
    errno.ENAMETOOLONG: _Fault("the path is too long for the file system", "choose a shorter one with --out"),
}


def out_of_memory(error: BaseException) -> bool:
    """Return whether the error means that memory ran out, on any device."""
    if isinstance(error, HubsliceError):
        return False
    return isinstance(error, MemoryError) or _MEMORY.search(str(error)) is not None


def disk_full(error: BaseException) -> bool:
    """Return whether the error means that a disk, or the user's quota, is full."""
    return any(_DISK.get(_number(cause)) in (_FULL, _DISK[errno.EDQUOT]) for cause in _chain(error))


def cache_fault(error: BaseException) -> DiskError | None:
    """Return the error for a cache of the Hub or of hubslice that cannot be created or written, else None."""
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
    """Return the named error that corresponds to `error` or to one of its causes; None if the machine is not at fault.

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
    """Re-raise errors of the machine as named errors, whatever a library raised.

    Raises:
        DiskError: a file could not be written.
        MemoryShortError: the machine or its GPU ran out of memory.
    """
    try:
        yield
    except Exception as error:
        fault = machine_fault(error, doing, folder)
        if fault is None:
            raise
        raise fault from error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and everything it was raised from or while handling."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def _number(error: BaseException) -> int:
    """Return the system error number of the error itself, or the one in its message."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if isinstance(error, HubsliceError):
        return 0  # its message may quote a file name
    if "No space left on device" in str(error):
        return errno.ENOSPC
    told = _NUMBER.search(str(error))
    return int(told[1]) if told else 0


def _named(error: BaseException) -> Path | None:
    """Return the file that a system error refers to."""
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    return Path(named) if isinstance(named, str | Path) else None


def _disk_error(verb: str, fault: _Fault, error: BaseException, folder: Path | None) -> DiskError:
    place = _named(error) or folder
    free = _free(place) if fault is _FULL else ""
    return DiskError(f"cannot {verb} {place or 'a file'}: {fault.why}{free}", hint=fault.hint)


def _free(place: Path | None) -> str:
    """Return how much disk space is free on the disk of `place`, which need not exist."""
    for folder in (place, *place.absolute().parents) if place else ():
        try:
            return f" ({shutil.disk_usage(folder).free / 2**20:.1f} MiB free)"
        except OSError:
            continue
    return ""

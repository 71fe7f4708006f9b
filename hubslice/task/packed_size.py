"""Measure the unpacked size of compressed files and archives without unpacking them.

A zip archive records it in its directory, and its files are cut to those sizes. Other formats are decompressed up to
the limit, and the output is discarded.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, cast

from hubslice.core.errors import DataError
from hubslice.core.escaping import named
from hubslice.task.parquet_size import check_size, is_parquet, limit_of, too_large

_MOST_FILES: Final = 5_000_000  # files in an archive
_LZMA_HEADER: Final = 13  # bytes before the content
_AT_ONCE: Final = 1 << 20  # bytes
_Opened = Callable[[Path], IO[bytes]]
_STREAMS: Final[Mapping[bytes, _Opened]] = {
    b"\x1f\x8b": cast(_Opened, gzip.open),
    b"BZh": cast(_Opened, bz2.open),
    b"\xfd7zXZ\x00": cast(_Opened, lzma.open),
}
_OTHERS: Final = {  # formats that `datasets` reads with further packages, and that data for hubslice does not need
    b"Rar!\x1a\x07": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x89HDF\r\n\x1a\n": "HDF5",
}
_MARK: Final = 8  # bytes
_NESTED: Final = (
    b"PAR1",
    *_STREAMS,
    *_OTHERS,
)  # files that are unpacked even inside an archive
# Raised for damaged files of the various formats.
_DAMAGED: Final = (
    *(EOFError, OSError, RuntimeError, ValueError),
    *(tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error),
)


def check_unpacked(path: Path) -> None:
    """Refuse a file that unpacks to far more than its size: parquet, compressed, an archive, or one in a zip archive.

    Raises:
        DataError: it does, or cannot be measured.
        OSError, pyarrow.ArrowInvalid: it cannot be read.
    """
    _check(path)
    if is_parquet(path) or not zipfile.is_zipfile(path):
        return
    try:
        with TemporaryDirectory(prefix="hubslice-") as folder, zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                _check_member(archive, member, Path(folder, "file"), path)
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _check_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path, path: Path) -> None:
    with archive.open(member) as file:
        start = file.read(_MARK)
        if not start.startswith(_NESTED):
            return
        with place.open("wb") as copy:
            copy.write(start)
            shutil.copyfileobj(file, copy)
    try:
        _check(place)
    except DataError as error:
        where = f"{named(member.filename)[:200]} in {named(path)}"
        raise DataError(error.headline.replace(str(place), where), hint=error.hint) from error


def _check(path: Path) -> None:
    if is_parquet(path):
        check_size(path)
    else:
        check_packed(path)


def check_packed(path: Path) -> None:
    """Refuse a compressed file or an archive that unpacks to far more than its size; other files pass.

    Raises:
        DataError: unpacked it exceeds `limit_of` its size, cannot be measured, or has an unsupported format.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(tarfile.BLOCKSIZE)
    kind = next((kind for mark, kind in _OTHERS.items() if start.startswith(mark)), None)
    if kind is not None:
        raise DataError(
            f"{named(path)} is packed as {kind}, which hubslice does not unpack",
            hint="unpack it, or write its rows as parquet",
        )
    parts = _parts(path, start)
    if parts is None:
        return
    size, found = path.stat().st_size, 0
    limit = limit_of(size)
    try:
        for number, part in enumerate(parts):
            found += part
            if found > limit or number > _MOST_FILES:
                raise too_large(path, size, limit, "")
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    why = str(error) or type(error).__name__
    return DataError(f"{named(path)} cannot be unpacked: {why}", hint="write it again, or unpack it")


def _parts(path: Path, start: bytes) -> Iterator[int] | None:
    """Yield sizes whose sum is at least the unpacked size; None for a file that `datasets` does not unpack."""
    stream = next((opened for mark, opened in _STREAMS.items() if start.startswith(mark)), None)
    if stream is None and _is_lzma(start):
        stream = cast(_Opened, lzma.open)
    if stream is not None:
        return _of_stream(path, stream)
    if _is_tar(start):
        return _of_tar(path)
    return _of_zip(path) if zipfile.is_zipfile(path) else None


def _is_tar(start: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _is_lzma(start: bytes) -> bool:
    """Return whether it is legacy LZMA, which has no signature and may also be used for archives."""
    try:
        lzma.LZMADecompressor().decompress(start, max_length=1)
    except lzma.LZMAError:
        return False
    return len(start) > _LZMA_HEADER


def _of_stream(path: Path, opened: Callable[[Path], IO[bytes]]) -> Iterator[int]:
    with opened(path) as file:
        while part := file.read(_AT_ONCE):
            yield len(part)
    if tarfile.is_tarfile(path):
        yield from _of_tar(path)


def _of_tar(path: Path) -> Iterator[int]:
    """Yield the sizes of the files, including sparse ones at full size."""
    with tarfile.open(path) as archive:
        for member in archive:
            if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
                raise ValueError(f"{member.name!a} in it is no file, folder or link")
            yield member.size


def _of_zip(path: Path) -> Iterator[int]:
    with zipfile.ZipFile(path) as archive:
        yield from (member.file_size for member in archive.infolist())

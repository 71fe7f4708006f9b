"""How large a parquet file is once it is unpacked, before it is: a few kB can stand for gigabytes.

Encodings name a value once and its repetitions by number, and nulls take no bytes at all. What the metadata says gives
an upper bound; only where that is above the limit, columns of text or bytes are read, and their values stay shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hubslice.core.errors import DataError
from hubslice.core.escaping import named

LEAST: Final = 1 << 30  # bytes that any file may unpack to
GROWTH: Final = 100  # times its size, to which larger files may; images are compressed already
_MOST_COLUMNS: Final = 10_000
_MOST_CHUNKS: Final = 1_000_000  # columns times row groups
_LARGEST_FOOTER: Final = 64 << 20  # bytes
_MARK: Final = b"PAR1"  # at both ends of a file
_TAIL: Final = 8  # bytes at its end: the length of the footer, and the mark
_AT_ONCE: Final = 256 << 20  # bytes of a column that are unpacked at once
_MOST_ROWS: Final = 1 << 16  # likewise
_OFFSET: Final = 8  # bytes that a value takes beside its own
_WIDTHS: Final = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}  # bytes, once unpacked
_PREFIXES: Final = "DELTA_BYTE_ARRAY"  # values that share their beginning with the one before


@dataclass(frozen=True)
class _Chunk:
    """A column in a row group: `most` are the bytes that it can unpack to at the most, by what the file says."""

    group: int
    column: str
    values: int
    stored: int  # bytes once decompressed, still encoded
    encodings: tuple[str, ...]
    most: int
    exact: bool
    flat: bool  # a row has one value

    def unpacked(self, file: Path, limit: int) -> int:
        """The bytes that it unpacks to; counted no further than the limit."""
        if self.exact:
            return self.most
        found = 0
        for part in self._parts(file):
            found += sum(written_out(column) for column in part.columns)
            if found > limit:
                break
        return found

    def _parts(self, file: Path) -> Iterator[Any]:
        if _PREFIXES in self.encodings:
            rows = min(max(_AT_ONCE // max(self.stored, 1), 1), _MOST_ROWS)
            opened = pq.ParquetFile(file)
            yield from opened.iter_batches(rows, row_groups=[self.group], columns=[self.column], use_threads=False)
        else:
            opened = pq.ParquetFile(file, read_dictionary=[self.column])
            table = opened.read_row_group(self.group, columns=[self.column], use_threads=False)
            yield from table.to_batches()


def is_parquet(path: Path) -> bool:
    """Whether the file begins as parquet does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK


def rows_of(path: Path) -> int:
    """The rows of a parquet file, by its metadata.

    Raises:
        DataError: its metadata is absurd, or contradicts itself.
        OSError, pyarrow.ArrowInvalid: it is not such a file.
    """
    return int(_metadata(path).num_rows)


def check_size(path: Path) -> None:
    """Refuse a parquet file that is far larger than it looks.

    Raises:
        DataError: unpacked it is more than `GROWTH` times its size and more than `LEAST`, or its metadata is absurd.
        OSError, pyarrow.ArrowInvalid: it is not such a file.
    """
    size, about = path.stat().st_size, _metadata(path)
    chunks = [
        _chunk(about, group, column) for group in range(about.num_row_groups) for column in range(about.num_columns)
    ]
    rows = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
    for chunk in chunks:
        if chunk.values < 0 or (chunk.flat and chunk.values != rows[chunk.group]):
            column = named(chunk.column[:80])
            raise _odd(path, f"has {chunk.values:,} values in column {column} for {rows[chunk.group]:,} rows")
    limit = limit_of(size)
    most = sum(chunk.most for chunk in chunks)
    for chunk in sorted(chunks, key=lambda each: (not each.exact, each.most), reverse=True):
        if most <= limit:
            return
        found = chunk.unpacked(path, limit)
        most += found - chunk.most
        if found > limit:
            raise too_large(
                path,
                size,
                limit,
                f": {chunk.values:,} values of its column {named(chunk.column[:80])} are stored in "
                f"{in_words(chunk.stored)}, as repetitions",
            )
    if most > limit:
        raise too_large(path, size, limit, "")


def limit_of(size: int) -> int:
    """The bytes that a file of `size` bytes may unpack to."""
    return max(LEAST, GROWTH * size)


def too_large(path: Path, size: int, limit: int, why: str) -> DataError:
    """The error that a file would unpack to more."""
    return DataError(
        f"{named(path)} of {in_words(size)} would unpack to more than {in_words(limit)}{why}",
        hint="it would fill memory and disk, and is hardly a data set of images or texts; if you trust it, write its "
        "rows as a folder of images, or cut it into several tables",
    )


def _metadata(path: Path) -> Any:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - _TAIL, 0))
        tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] == _MARK and length > _LARGEST_FOOTER:
        raise _odd(path, f"has {in_words(length)} of metadata")
    about = pq.read_metadata(path)
    if about.num_columns > _MOST_COLUMNS or about.num_columns * about.num_row_groups > _MOST_CHUNKS:
        raise _odd(path, f"has {about.num_columns:,} columns in {about.num_row_groups:,} row groups")
    rows = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
    if min(rows, default=0) < 0 or sum(rows) != about.num_rows:
        raise _odd(path, f"says that it has {about.num_rows:,} rows, and its row groups have {sum(rows):,}")
    return about


def _chunk(about: Any, group: int, number: int) -> _Chunk:
    chunk, column = about.row_group(group).column(number), about.schema.column(number)
    values, stored, encodings = chunk.num_values, chunk.total_uncompressed_size, tuple(chunk.encodings)
    kind = column.physical_type
    if kind == "BYTE_ARRAY":
        repeats = chunk.has_dictionary_page or _PREFIXES in encodings
        most = (values if repeats else 1) * stored + _OFFSET * values
    else:
        repeats = False
        most = values * _WIDTHS.get(kind, column.length or 1)
    return _Chunk(group, column.path, values, stored, encodings, most, not repeats, column.max_repetition_level == 0)


def written_out(column: Any) -> int:
    """The bytes of a column where each value is written out."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(column.dictionary).take(column.indices)
        return _OFFSET * len(column) + int(pc.sum(lengths).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(written_out(column.field(number)) for number in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _OFFSET * len(column) + written_out(column.flatten())
    if pa.types.is_map(kind):
        return _OFFSET * len(column) + written_out(column.keys) + written_out(column.items)
    return int(column.nbytes)


def in_words(size: int) -> str:
    """A number of bytes, for people."""
    for unit, words in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {words}"
    return f"{size} bytes"


def _odd(path: Path, what: str) -> DataError:
    return DataError(
        f"{named(path)} {what}, as no table of images or texts has",
        hint="write the table anew, with the columns needed",
    )

"""Measure the unpacked size of a parquet file without unpacking it: a few kB can stand for gigabytes.

Encodings store a value once and refer to it by number, and nulls take no bytes at all. The page headers give a lower
and an upper bound; only if the limit is between them, text and binary columns are read, with their values still shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hubslice.core.errors import DataError
from hubslice.core.escaping import named
from hubslice.core.numbers import size_in_words
from hubslice.task.parquet_pages import OddPagesError, Pages, pages_of

LEAST: Final = 1 << 30  # bytes that any file may unpack to
GROWTH: Final = 100  # unpacked size / file size allowed for larger files; images are already compressed
_MOST_COLUMNS: Final = 10_000
_MOST_CHUNKS: Final = 1_000_000  # columns times row groups
_MOST_PAGES: Final = 500_000
_LARGEST_FOOTER: Final = 64 << 20  # bytes
_MARK: Final = b"PAR1"  # at both ends of a file
_TAIL: Final = 8  # bytes at its end: the length of the footer, and the signature
_AT_ONCE: Final = 256 << 20  # bytes of a column that are unpacked at once
_MOST_ROWS: Final = 1 << 16  # maximum rows unpacked at once
_OFFSET: Final = 8  # bytes of a value besides its content
_WIDTHS: Final = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}  # bytes, once unpacked


@dataclass(frozen=True)
class _Chunk:
    """A column in a row group, with the bounds of its unpacked size from the page headers."""

    group: int
    column: str
    values: int
    pages: Pages
    least: int
    most: int
    flat: bool  # every row has exactly one value

    @property
    def exact(self) -> bool:
        """Whether reading it would not narrow the bounds, or could not be done in parts."""
        return not self.pages.repeats or (self.pages.prefixes and not self.flat)

    def unpacked(self, file: Path, limit: int) -> int:
        """Return the bytes that it unpacks to, counted up to the limit."""
        if self.exact:
            return self.most
        found = 0
        for part in self._parts(file):
            found += sum(written_out(column) for column in part.columns)
            if found > limit:
                break
        return found

    def _parts(self, file: Path) -> Iterator[Any]:
        if self.pages.prefixes:
            rows = min(max(_AT_ONCE // max(self.pages.stored, 1), 1), _MOST_ROWS)
            opened = pq.ParquetFile(file)
            yield from opened.iter_batches(rows, row_groups=[self.group], columns=[self.column], use_threads=False)
        else:
            opened = pq.ParquetFile(file, read_dictionary=[self.column])
            table = opened.read_row_group(self.group, columns=[self.column], use_threads=False)
            yield from table.to_batches()


def is_parquet(path: Path) -> bool:
    """Return whether the file starts with parquet's signature."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK


def rows_of(path: Path) -> int:
    """Return the number of rows in the metadata of a parquet file.

    Raises:
        DataError: its metadata is implausible or contradictory.
        OSError, pyarrow.ArrowInvalid: it is not a parquet file.
    """
    return int(_metadata(path).num_rows)


def check_size(path: Path) -> None:
    """Refuse a parquet file that unpacks to far more than its size.

    Raises:
        DataError: unpacked it exceeds both `GROWTH` times its size and `LEAST`, or its metadata is implausible.
        OSError, pyarrow.ArrowInvalid: it is not a parquet file.
    """
    size, about = path.stat().st_size, _metadata(path)
    limit = limit_of(size)
    with path.open("rb") as file:
        chunks = list(_chunks(path, file, about))
    if sum(chunk.least for chunk in chunks) > limit:
        raise too_large(path, size, limit, "")
    most = sum(chunk.most for chunk in chunks)
    for chunk in sorted(chunks, key=lambda each: (not each.exact, each.most), reverse=True):
        if most <= limit:
            return
        found = chunk.unpacked(path, limit)
        most += found - chunk.most
        if found > limit:
            column = named(chunk.column[:80])
            told = f": {chunk.values:,} values of its column {column} are stored in {size_in_words(chunk.pages.stored)}"
            raise too_large(path, size, limit, f"{told}, as repetitions" if chunk.pages.repeats else "")
    if most > limit:
        raise too_large(path, size, limit, "")


def limit_of(size: int) -> int:
    """Return the bytes that a file of `size` bytes may unpack to."""
    return max(LEAST, GROWTH * size)


def too_large(path: Path, size: int, limit: int, why: str) -> DataError:
    """Return the error for a file that would unpack to more than the limit."""
    return DataError(
        f"{named(path)} of {size_in_words(size)} would unpack to more than {size_in_words(limit)}{why}",
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
        raise _odd(path, f"has {size_in_words(length)} of metadata")
    about = pq.read_metadata(path)
    if about.num_columns > _MOST_COLUMNS or about.num_columns * about.num_row_groups > _MOST_CHUNKS:
        raise _odd(path, f"has {about.num_columns:,} columns in {about.num_row_groups:,} row groups")
    rows = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
    if min(rows, default=0) < 0 or sum(rows) != about.num_rows:
        raise _odd(path, f"says that it has {about.num_rows:,} rows, and its row groups have {sum(rows):,}")
    return about


def _chunks(path: Path, file: BinaryIO, about: Any) -> Iterator[_Chunk]:
    """Yield every column of every row group."""
    left = _MOST_PAGES
    for group in range(about.num_row_groups):
        rows = about.row_group(group)
        for number in range(about.num_columns):
            chunk, column = rows.column(number), about.schema.column(number)
            flat = column.max_repetition_level == 0
            if chunk.num_values < 0 or (flat and chunk.num_values != rows.num_rows):
                told = f"has {chunk.num_values:,} values in column {named(column.path[:80])} for {rows.num_rows:,} rows"
                raise _odd(path, told)
            start = chunk.data_page_offset
            if 0 < (chunk.dictionary_page_offset or 0) < start:
                start = chunk.dictionary_page_offset
            if start < 0 or chunk.total_compressed_size < 0:
                raise _odd(path, f"has pages of column {named(column.path[:80])} outside of it")
            try:
                pages = pages_of(file, start, chunk.total_compressed_size, chunk.num_values, left)
            except OddPagesError as error:
                raise _odd(path, str(error)) from error
            left -= pages.count
            yield _chunk(group, column, max(chunk.num_values, pages.values), pages, flat)


def _chunk(group: int, column: Any, values: int, pages: Pages, flat: bool) -> _Chunk:
    if column.physical_type == "BYTE_ARRAY":
        least = max(pages.stored, _OFFSET * values)
        most = pages.most + _OFFSET * values
    else:
        least = most = max(pages.stored, values * _WIDTHS.get(column.physical_type, column.length or 1))
    return _Chunk(group, column.path, values, pages, least, max(least, most), flat)


def written_out(column: Any) -> int:
    """Return the bytes of a column with each value written out."""
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


def _odd(path: Path, what: str) -> DataError:
    return DataError(
        f"{named(path)} {what}, as no table of images or texts has",
        hint="write the table anew, with the columns needed",
    )

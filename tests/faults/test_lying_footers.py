"""Parquet files whose footer says less than their pages unpack to: readers go by the pages, and so does the limit."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubslice.core.errors import DataError
from hubslice.task.parquet_size import check_size

MIB = 1 << 20
FOOTER = 8  # bytes after it


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mebibyte may unpack to no more than four."""
    monkeypatch.setattr("hubslice.task.parquet_size.LEAST", 4 * MIB)
    monkeypatch.setattr("hubslice.task.parquet_size.GROWTH", 2)


def number(value: int, width: int = 0) -> bytes:
    """A number that is not negative, as Thrift's compact protocol writes it, in so many bytes."""
    value, written = value << 1, bytearray()
    while value or not written or len(written) < width:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written[-1] &= 0x7F
    return bytes(written)


def footer_changed(path: Path, old: bytes, new: bytes) -> None:
    """Write other bytes of the same length into the footer, wherever those stand."""
    content = path.read_bytes()
    at = len(content) - FOOTER - int.from_bytes(content[-FOOTER:-4], "little")
    start, footer = content[:at], content[at:]
    assert len(old) == len(new)
    assert old in footer
    path.write_bytes(start + footer.replace(old, new))


def sizes(path: Path) -> list[int]:
    about = pq.read_metadata(path)
    return [about.row_group(group).column(0).total_uncompressed_size for group in range(about.num_row_groups)]


def small(path: Path) -> None:
    """Each column says that it is decompressed to a hundred bytes."""
    table = pa.table({"text": pa.array([bytes(MIB)], pa.binary())})
    with pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=False, write_statistics=False) as file:
        for _ in range(8):
            file.write_table(table)
    old = number(sizes(path)[0])
    footer_changed(path, old, number(100, len(old)))
    assert sizes(path) == [100] * 8


def plain(path: Path) -> None:
    """The column says that it has no prefixes."""
    values = [bytes(MIB // 4) + bytes([n]) for n in range(32)]
    table = pa.table({"text": pa.array(values, pa.binary())})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"})
    footer_changed(path, bytes([0x19, 0x25, *number(3), *number(7)]), bytes([0x19, 0x25, *number(3), *number(0)]))
    assert "DELTA_BYTE_ARRAY" not in pq.read_metadata(path).row_group(0).column(0).encodings


@pytest.mark.parametrize("make", [small, plain])
@pytest.mark.usefixtures("strict")
def test_a_footer_that_says_less(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    make(path)
    with pytest.raises(DataError, match=r"would unpack to more than 4\.0 MiB"):
        check_size(path)
    assert pq.read_table(path)["text"].nbytes > 4 * MIB


@pytest.mark.slow
def test_what_is_surely_too_large_is_not_unpacked(tmp_path: Path) -> None:
    """Here a dictionary of 1.1 GiB."""
    path = tmp_path / "table.parquet"
    values = pa.chunked_array([pa.array([bytes([n]) + bytes(40 * MIB)], pa.binary()) for n in range(28)])
    pq.write_table(pa.table({"text": values}), path, compression="zstd", write_statistics=False, write_batch_size=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"would unpack to more than 1\.0 GiB$"):
        check_size(path)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < 100 * MIB


@pytest.mark.usefixtures("strict")
def test_values_in_lists_that_share_their_beginnings(tmp_path: Path) -> None:
    """One row may have any number of them: such a column cannot be read in parts."""
    path = tmp_path / "table.parquet"
    texts = pa.array([[bytes(MIB // 4) + bytes([n]) for n in range(32)]], pa.list_(pa.binary()))
    encoding = {"text.list.element": "DELTA_BYTE_ARRAY"}
    pq.write_table(pa.table({"text": texts}), path, compression="zstd", use_dictionary=False, column_encoding=encoding)
    with pytest.raises(DataError, match=r"would unpack to more than 4\.0 MiB"):
        check_size(path)


def test_too_many_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubslice.task.parquet_size._MOST_PAGES", 10)
    path = tmp_path / "table.parquet"
    table = pa.table({"text": [f"{n}" * 100 for n in range(2000)]})
    pq.write_table(table, path, use_dictionary=False, data_page_size=1000, write_batch_size=10)
    with pytest.raises(DataError, match="has more pages than are looked at"):
        check_size(path)


@pytest.mark.parametrize("content", [bytes(40), b"\x15\x80" * 20, b"\xff" * 40, b"\x19\xfc\xff\xff\xff\x07" * 7])
def test_pages_without_headers(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"text": ["x" * 100]}), path, use_dictionary=False, compression="none")
    raw = path.read_bytes()
    path.write_bytes(raw[:4] + content + raw[4 + len(content) :])
    with pytest.raises(DataError, match="as no table of images or texts has"):
        check_size(path)

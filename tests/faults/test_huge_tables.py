"""Tables that unpack to far more than they are, or are absurd: refused before anything is unpacked."""

from __future__ import annotations

import io
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hubslice.core.errors import DataError
from hubslice.task import loading
from hubslice.task.parquet_size import check_size, rows_of
from hubslice.task.texts import open_texts
from tests.faults.conftest import Refused

RECIPE = """\
kind: slice
name: tiny
teacher: {model: ./teacher}
data: {path: %s}
slice: {method: remos, ratio: 0.2}
"""
MIB = 1 << 20
UNPACKS = "would unpack to more than"
Write = Callable[[Path], None]


def png(seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def images(values: list[bytes | None]) -> pa.Table:
    labels = [f"class {n % 2}" for n in range(len(values))]
    nested = [{"bytes": value, "path": None} for value in values]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({"image": pa.array(nested, kind), "label": labels})


def repeated(path: Path) -> None:
    """A few kB for 1.25 GiB."""
    one = pa.array([png(0) + bytes(4 * MIB)], pa.binary())
    every = pa.DictionaryArray.from_arrays(pa.array([0] * 320, pa.int32()), one)
    table = pa.table({"image": every, "label": ["a"] * 320})
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=1 << 30, store_schema=False)


def in_parts(path: Path) -> None:
    """The same, in row groups that are small each, and nested."""
    table = images([png(0) + bytes(MIB)] * 8)
    with pq.ParquetWriter(path, table.schema, compression="zstd", dictionary_pagesize_limit=1 << 30) as writer:
        for _ in range(170):
            writer.write_table(table)


def prefixed(path: Path) -> None:
    """Values that share their beginning with the one before."""
    values = [bytes(4 * MIB) + bytes([n]) for n in range(32)] * 8
    table = pa.table({"image": pa.array(values, pa.binary()), "label": ["a"] * len(values)})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, column_encoding={"image": "DELTA_BYTE_ARRAY"})


def compressed(path: Path) -> None:
    pq.write_table(images([bytes(4 * MIB)] * 260), path, compression="zstd", use_dictionary=False)


def nulls(path: Path) -> None:
    pq.write_table(pa.table({"image": pa.nulls(150_000_000, pa.int64())}), path)


def listed(path: Path) -> None:
    """One row with very many items."""
    pq.write_table(pa.table({"image": pa.array([[0] * 10], pa.list_(pa.int64())).take([0] * 15_000_000)}), path)


BOMBS: dict[str, Write] = {write.__name__: write for write in (repeated, in_parts, prefixed, compressed, nulls, listed)}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.slow
def test_a_file_that_unpacks_to_far_more(name: str, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    BOMBS[name](path)
    assert path.stat().st_size < 4 * MIB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=UNPACKS) as caught:
        check_size(path)
    assert caught.value.exit_code == 2
    assert str(path) in caught.value.message
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < 700 * MIB


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mebibyte may unpack to no more than that."""
    monkeypatch.setattr("hubslice.task.parquet_size.LEAST", MIB)
    monkeypatch.setattr("hubslice.task.parquet_size.GROWTH", 2)


def small_bomb(path: Path) -> None:
    pq.write_table(images([png(0) + bytes(MIB // 8)] * 32), path, compression="zstd")


def as_file(root: Path) -> str:
    small_bomb(root / "table.parquet")
    return "table.parquet"


def as_folder(root: Path) -> str:
    (root / "tables").mkdir()
    pq.write_table(images([png(n) for n in range(4)]), root / "tables" / "train.parquet")
    small_bomb(root / "tables" / "test.parquet")
    return "tables"


def as_repository(root: Path) -> str:
    (root / "pets" / "data").mkdir(parents=True)
    small_bomb(root / "pets" / "data" / "train-00000-of-00001.parquet")
    return "pets"


def as_metadata(root: Path) -> str:
    (root / "images").mkdir()
    (root / "images" / "a.png").write_bytes(png(0))
    rows = {"file_name": ["a.png"] * 40, "label": ["x" * 100_000] * 40}
    pq.write_table(pa.table(rows), root / "images" / "metadata.parquet", compression="zstd")
    return "images"


@pytest.mark.parametrize("make", [as_file, as_folder, as_repository, as_metadata])
@pytest.mark.usefixtures("strict")
def test_wherever_tables_are_read(
    make: Callable[[Path], str], tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    Path("recipe.yaml").write_text(RECIPE % make(tmp_path))
    refused("slice", "recipe.yaml", "--until", "data", "--out", "run", code=2, says=(UNPACKS, "1.0 MiB", "hint: "))
    assert not list((tmp_path / "cache").rglob("*.arrow"))


@pytest.mark.usefixtures("strict")
def test_texts_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    path = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"text": ["word " * 50_000] * 40}), path, compression="zstd")
    with pytest.raises(DataError, match=UNPACKS):
        open_texts(str(path), None)


def test_usual_tables_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also such that nothing but their values tells that they are."""
    monkeypatch.setattr("hubslice.task.parquet_size.LEAST", 0)
    path = tmp_path / "table.parquet"
    pq.write_table(images([png(n) for n in range(500)] + [None]), path, row_group_size=100)
    check_size(path)
    assert rows_of(path) == 501
    loaded = loading.load("parquet", data_files=str(path), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].num_rows == 501


ODD: dict[str, tuple[Write, str]] = {
    "columns": (
        lambda path: pq.write_table(pa.table({f"c{n}": [0] for n in range(10_001)}), path),
        "has 10,001 columns in 1 row groups",
    ),
    "rows": (lambda path: miscounted(path, 0), "says that it has 1,001 rows, and its row groups have 1,000"),
    "values": (lambda path: miscounted(path, 1), "has 1,001 values in column n for 1,000 rows"),
    "footer": (
        lambda path: path.write_bytes(b"PAR1" + bytes(100) + (100 * MIB).to_bytes(4, "little") + b"PAR1"),
        "has 100.0 MiB of metadata",
    ),
}


def miscounted(path: Path, which: int) -> None:
    """A table of a thousand rows of which the metadata says 1001: in one of the places that say it."""
    pq.write_table(pa.table({"n": np.arange(1000)}), path, write_statistics=False, store_schema=False)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    start, footer = content[: -8 - length], content[-8 - length : -8]
    parts = footer.split(b"\xd0\x0f")  # 1000, as numbers are written there
    joints = [b"\xd0\x0f"] * (len(parts) - 1)
    joints[which] = b"\xd2\x0f"
    changed = parts[0] + b"".join(joint + part for joint, part in zip(joints, parts[1:], strict=True))
    path.write_bytes(start + changed + content[-8:])


@pytest.mark.parametrize("name", ODD)
def test_an_absurd_table(name: str, tmp_path: Path) -> None:
    write, says = ODD[name]
    path = tmp_path / "table.parquet"
    write(path)
    with pytest.raises(DataError) as caught:
        check_size(path)
    assert says in caught.value.message

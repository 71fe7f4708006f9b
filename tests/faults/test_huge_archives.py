"""Compressed files and archives that unpack to far more: told before `datasets` unpacks them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubslice.core.errors import DataError
from hubslice.task.arrow_size import check_arrow
from hubslice.task.loading import load
from hubslice.task.packed_size import check_packed, check_unpacked
from hubslice.task.saved import read_saved
from tests.faults.conftest import Refused
from tests.images import write_parquet

MIB = 1 << 20
CSV = b"text\n" + (b"x" * 999 + b"\n") * 3_000
RECIPE = "kind: slice\nname: tiny\nteacher: {model: ./teacher}\ndata: {path: pets}\n"
UNPACKS = "would unpack to more than 1.0 MiB"
CARD = "---\nconfigs:\n- config_name: default\n  data_files: %s\n---\n"


def tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return made.getvalue()


def table() -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table({"text": ["word " * 50_000] * 40}), made, compression="zstd")
    return made.getvalue()


PACKED: dict[str, Callable[[], bytes]] = {
    "train.csv.gz": lambda: gzip.compress(CSV),
    "train.csv.bz2": lambda: bz2.compress(CSV),
    "train.csv.xz": lambda: lzma.compress(CSV),
    "train.csv.lzma": lambda: lzma.compress(CSV, lzma.FORMAT_ALONE),
    "parts.csv.gz": lambda: b"".join(gzip.compress(CSV[n : n + 1000]) for n in range(0, len(CSV), 1000)),
    "train.json.gz": lambda: gzip.compress(json.dumps({"text": "x" * 3_000_000}).encode()),
    "train.csv.zip": lambda: archive({"train.csv": CSV}),
    "train.tar": lambda: gzip.compress(tar({"a.txt": CSV})),
    "table.zip": lambda: archive({"train.parquet": table()}),
    "packed.zip": lambda: archive({"train.csv.gz": gzip.compress(CSV)}),
}


@pytest.fixture(autouse=True)
def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mebibyte may unpack to no more than that."""
    monkeypatch.setattr("hubslice.task.parquet_size.LEAST", MIB)
    monkeypatch.setattr("hubslice.task.parquet_size.GROWTH", 2)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.DOWNLOADED_DATASETS_PATH", tmp_path / "cache" / "downloads")
    monkeypatch.setattr("datasets.config.EXTRACTED_DATASETS_PATH", tmp_path / "cache" / "extracted")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", PACKED)
def test_a_card_that_names_a_packed_file(name: str, tmp_path: Path, refused: Refused) -> None:
    Path("recipe.yaml").write_text(RECIPE)
    Path("pets").mkdir()
    Path("pets", name).write_bytes(PACKED[name]())
    Path("pets/README.md").write_text(CARD % name)
    refused("slice", "recipe.yaml", "--until", "data", "--out", "run", code=2, says=(UNPACKS, "hint: "))
    assert not list((tmp_path / "cache").rglob("*.arrow"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"Rar!\x1a\x07\x01\x00", "is packed as RAR, which hubslice does not unpack"),
        (b"7z\xbc\xaf\x27\x1c", "is packed as 7z"),
        (b"\x28\xb5\x2f\xfd", "is packed as Zstandard"),
        (b"\x04\x22\x4d\x18", "is packed as LZ4"),
        (gzip.compress(CSV[:1000])[:-9], "cannot be unpacked"),
        (archive({"a.csv": b"text"}).replace(b"+I\xad(", b"\xff" * 4), "cannot be unpacked: Error -3"),
        (gzip.compress(CSV)[:20] + b"x" * 100, "cannot be unpacked"),
    ],
    ids=["RAR", "7z", "Zstandard", "LZ4", "cut gzip", "spoilt zip", "spoilt gzip"],  # contents hold the time
)
def test_what_is_not_unpacked(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(DataError, match=says):
        check_unpacked(tmp_path / "train.csv")


def test_a_file_of_an_archive_that_is_stored_without_its_zeros(tmp_path: Path) -> None:
    with (tmp_path / "zeros").open("wb") as file:
        file.truncate(100 * MIB)
    info = tarfile.TarInfo("zeros")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(100 * MIB)}
    info.pax_headers["GNU.sparse.name"] = "zeros"
    content = b"1\n0\n1\n".ljust(512, b"\0") + b"x".ljust(512, b"\0")
    info.size = len(content)
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as packed:
        packed.addfile(info, io.BytesIO(content))
    with pytest.raises(DataError, match=UNPACKS):
        check_packed(tmp_path / "a.tar")


def test_usual_packed_files_are_read(tmp_path: Path) -> None:
    lines = "".join(f"text {n}\n" for n in range(100))
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "train.csv.gz").write_bytes(gzip.compress(f"text\n{lines}".encode()))
    (tmp_path / "pets" / "README.md").write_text(CARD % "train.csv.gz")
    assert load(str(tmp_path / "pets"))["train"].num_rows == 100
    shutil.rmtree(tmp_path / "pets")
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "train.zip").write_bytes(archive({"a.csv": f"text\n{lines}".encode()}))
    (tmp_path / "pets" / "README.md").write_text(CARD % "train.zip")
    assert load(str(tmp_path / "pets"))["train"].num_rows == 100


def saved(folder: Path) -> Path:
    datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}).save_to_disk(str(folder))
    return folder


def rewritten(path: Path, rows: pa.Table, compression: str | None = None) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)


ARROW: dict[str, tuple[Callable[[Path], None], str]] = {
    "compressed": (
        lambda path: rewritten(path, pa.table({"text": ["x" * 1000] * 5000, "label": [0] * 5000}), "zstd"),
        "holds compressed rows, as save_to_disk writes none",
    ),
    "compressed words": (
        lambda path: rewritten(path, pa.table({"text": pa.array(["x" * 1000] * 50).dictionary_encode()}), "lz4"),
        "holds compressed rows",
    ),
    "repeated words": (
        lambda path: rewritten(path, pa.table({"text": pa.array(["x" * 1000] * 5000).dictionary_encode()})),
        UNPACKS,
    ),
    "nothing": (lambda path: rewritten(path, pa.table({"text": pa.nulls(10**9)})), UNPACKS),
    "index": (
        lambda path: pa.ipc.new_file(str(path), pa.schema([("text", pa.string())])).close(),
        "is an Arrow file with an index",
    ),
}


@pytest.mark.parametrize("name", ARROW)
@pytest.mark.parametrize("several", [False, True])
def test_a_saved_data_set(name: str, several: bool, tmp_path: Path, refused: Refused) -> None:
    write, says = ARROW[name]
    if several:
        rows = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
        datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(str(tmp_path / "pets"))
    else:
        saved(tmp_path / "pets")
    write(sorted((tmp_path / "pets").rglob("*.arrow"))[-1])
    Path("recipe.yaml").write_text(RECIPE)
    refused("slice", "recipe.yaml", "--until", "data", "--out", "run", code=2, says=(says, "hint: "))


@pytest.mark.parametrize("name", ["compressed", "nothing", "index"])
def test_arrow_files_of_a_repository(name: str, tmp_path: Path) -> None:
    write, says = ARROW[name]
    (tmp_path / "pets").mkdir()
    write(tmp_path / "pets" / "train.arrow")
    with pytest.raises(DataError, match=says):
        load(str(tmp_path / "pets"))


def test_a_saved_data_set_whose_rows_lie_elsewhere(tmp_path: Path) -> None:
    state = saved(tmp_path / "pets") / "state.json"
    content = json.loads(state.read_text())
    for name in ("../other.arrow", "/tmp/other.arrow"):
        content["_data_files"] = [{"filename": name}]
        state.write_text(json.dumps(content))
        with pytest.raises(DataError, match="as its data, which is not in it"):
            read_saved(tmp_path / "pets")


def test_usual_arrow_files_are_read(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", 12)
    rows = load("parquet", data_files=str(tmp_path / "a.parquet"))["train"]
    rows.save_to_disk(str(tmp_path / "pets"))
    (file,) = (tmp_path / "pets").glob("*.arrow")
    check_arrow(file)
    assert read_saved(tmp_path / "pets")["train"].num_rows == 12
    (tmp_path / "repository").mkdir()
    shutil.copy(file, tmp_path / "repository" / "train.arrow")
    assert load(str(tmp_path / "repository"))["train"].num_rows == 12


@pytest.mark.skipif(find_spec("h5py") is not None, reason="h5py is installed here, which reads such files")
def test_a_file_that_is_read_with_a_further_package(refused: Refused) -> None:
    Path("recipe.yaml").write_text(RECIPE)
    Path("pets").mkdir()
    Path("pets/train.h5").write_bytes(b"no HDF5")
    Path("pets/README.md").write_text(CARD % "train.h5")
    says = ("pets cannot be read as a data-set repository", "h5py", "hint: ")
    refused("slice", "recipe.yaml", "--until", "data", "--out", "run", code=2, says=says)

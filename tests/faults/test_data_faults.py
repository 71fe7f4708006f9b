"""Bad data: what is wrong is told by row or file in the data step, before anything takes long."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fake_hub import HubServer
from tests.faults.conftest import Refused
from tests.images import square, write_folder, write_parquet
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow

RECIPE = """\
kind: slice
name: faulty
teacher: {model: ./never-looked-at}
data: {path: %s}
audit: {defects: [{kind: backdoor, target: red}]}
"""
COMMAND = ("slice", "recipe.yaml", "--until", "data", "--out", "run")


def png(label: str = "red", seed: int = 0) -> bytes:
    file = io.BytesIO()
    square(label, seed).save(file, "PNG")
    return file.getvalue()


def jpeg() -> bytes:
    file = io.BytesIO()
    square("red", 0).save(file, "JPEG")
    return file.getvalue()


def header_only(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def table(path: Path, **columns: Any) -> Path:
    """A parquet file of twelve rows with the columns image and label, or those given instead."""
    whole = {"image": [png("red", row) for row in range(12)], "label": ["red", "blue"] * 6} | columns
    pq.write_table(pa.table({name: values for name, values in whole.items() if values is not None}), path)
    return path


def with_image(content: bytes | None) -> Callable[[Path], None]:
    """Twelve images, the one in row 7 replaced."""

    def write(folder: Path) -> None:
        images = [png("red", row) for row in range(12)]
        table(folder / "x.parquet", image=pa.array([*images[:7], content, *images[8:]], pa.binary()))

    return write


def with_columns(**columns: Any) -> Callable[[Path], None]:
    return lambda folder: table(folder / "x.parquet", **columns) and None


def with_bytes(content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / "x.parquet").write_bytes(content) and None


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE % "x.parquet")
    return tmp_path


def nothing_is_left(job: Path) -> bool:
    return not (job / "run/steps/data").exists()


ROW = "row 7 of x.parquet has no readable image: "


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (with_image(png()[:300]), (ROW, "truncated", "mend or remove it")),
        (with_image(jpeg()[:500]), (ROW, "Truncated", "mend or remove it")),
        (with_image(png()[:200] + bytes(200) + png()[400:]), (ROW, "unrecognized data")),
        (with_image(b"<html>not found</html>"), (ROW, "not an image of a known format")),
        (with_image(b""), (ROW, "not an image of a known format")),
        (with_image(None), (ROW, "column 'image' is empty there", "data.image")),
        (
            with_image(header_only(60_000, 60_000)),
            (ROW, "far too large", "3600000000 pixels", "limit", "scale it down"),
        ),
        (
            with_image(header_only(12_000, 9_000)),
            (ROW, "far too large", "108000000 pixels", "limit", "scale it down"),
        ),
        (with_image(header_only(20, 30_000)), (ROW, "too narrow: 20 x 30000 pixels")),
        (
            with_columns(image=["nowhere/1.png"] * 12),
            ("12 of 12 images", "nowhere/1.png", "No such file", "and 7 more"),
        ),
        (with_columns(image=list(range(12))), ("column 'image' of x.parquet holds no images", "int64", "data.image")),
        (with_columns(image=None), ("x.parquet has no column 'image'; its columns are label", "set data.image")),
        (with_columns(label=None), ("x.parquet has no column 'label'; its columns are image", "set data.label")),
        (
            with_columns(label=["red", "blue", None] * 4),
            ("row 2 of x.parquet has no label in column 'label'; 4 of 12 rows have none", "data.label"),
        ),
        (with_columns(label=[["red"]] * 12), ("column 'label' of x.parquet holds no labels", "list", "data.label")),
        (with_columns(label=["red"] * 12), ("samples of one class only, 'red'", "a task needs two classes or more")),
        (
            with_columns(label=["reds", "blue"] * 6),
            ("the recipe names the class 'red', which x.parquet does not have", "did you mean 'reds'?"),
        ),
        (
            with_columns(image=[png()], label=["red"]),
            ("split of x.parquet is empty", "change the shares in data.splits"),
        ),
        (
            with_columns(label=["red", "blue"] * 5 + ["green"] * 2, author=["a", "b"] * 5 + ["c"] * 2),
            ("the validation split of x.parquet is empty", "name finer groups than 'author'"),
        ),
        (with_bytes(b"no parquet at all" * 9), ("x.parquet cannot be read as parquet", "not a parquet file")),
        (with_bytes(b""), ("x.parquet cannot be read as parquet", "0 bytes")),
    ],
)
def test_bad_tables(job: Path, refused: Refused, write: Callable[[Path], None], says: tuple[str, ...]) -> None:
    write(job)
    grouped = ("data.group=author",) if "groups" in " ".join(says) else ()
    refused(*COMMAND, *grouped, code=2, says=says)
    assert nothing_is_left(job)


def test_all_broken_images_are_told_in_one_go_and_mending_them_is_enough(
    job: Path, refused: Refused, hubslice: Hubslice
) -> None:
    images = [png("red", row) for row in range(40)]
    labels = ["red", "blue"] * 20
    broken = [image[:200] if row % 5 == 0 else image for row, image in enumerate(images)]
    table(job / "x.parquet", image=broken, label=labels)
    told = refused(*COMMAND, code=2, says=("8 of 40 images of x.parquet cannot be read", "and 3 more", "mend"))
    assert told.stderr.count("row ") == 5
    table(job / "x.parquet", image=images, label=labels)
    assert hubslice(*COMMAND).code == 0
    assert (job / "run/steps/data/task.json").is_file()


def test_a_trial_reads_only_its_own_images(job: Path, hubslice: Hubslice) -> None:
    with_image(b"broken")(job)
    assert hubslice(*COMMAND).code == 2
    codes = {hubslice(*COMMAND, "data.limit=2", f"seed={seed}").code for seed in range(6)}
    assert codes == {0, 2}, "an image that no split takes is not looked at"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, ("images cannot be read as a folder of images: it holds none", "class/image.png")),
        ({"notes.txt": b"x"}, ("images cannot be read as a folder of images: it holds none", "class/image.png")),
        (
            {f"{folder}{n}.png": png() for n in range(9) for folder in ("red/", "blue/", "")},
            ("9 of 27 files of images would be left out", "beside the class folders", "data.allow_skipped: true"),
        ),
        (
            {f"{label}/{n}.png": png() for n in range(9) for label in ("red", "blue")} | {"green/a.heic": b"heic"},
            ("1 folder has no image of a class: green; Pillow does not read green/a.heic", "data.allow_skipped: true"),
        ),
        ({f"red/{n}.png": png() for n in range(12)}, ("samples of one class only, 'red'", "two classes or more")),
        (
            {f"{label}/{n}.png": png() for n in range(9) for label in ("red", "blue")} | {"red/3.png": png()[:99]},
            ("images/red/3.png has no readable image", "truncated", "mend or remove it"),
        ),
    ],
)
def test_bad_folders(job: Path, refused: Refused, files: dict[str, bytes], says: tuple[str, ...]) -> None:
    (job / "images").mkdir()
    for name, content in files.items():
        (job / "images" / name).parent.mkdir(exist_ok=True)
        (job / "images" / name).write_bytes(content)
    refused(*COMMAND, "data.path=images", code=2, says=says)
    assert nothing_is_left(job)


def test_what_is_left_out_of_a_folder_is_told_whenever_it_is_read(job: Path, hubslice: Hubslice) -> None:
    write_folder(job / "images", 60)
    for name, content in {"logo.png": png(), "red/Thumbs.db": b"", "blue/notes\x1b.txt": b"x"}.items():
        (job / "images" / name).write_bytes(content)
    told = [
        "images: 1 file is left aside, left there by systems, tools and repositories: red/Thumbs.db",
        "images: 1 file is left out, no images that Pillow reads (1 .txt): blue/notes\\x1b.txt",
        "images: 1 file is left out, images beside the class folders, in no class: logo.png",
    ]
    finished = hubslice(*COMMAND, "data.path=images", "--json")
    assert finished.code == 0, finished.stderr
    assert [json.loads(line)["warning"] for line in finished.stderr.splitlines()] == told
    report = json.loads((job / "run/steps/data/task.json").read_text())
    assert sum(report["samples"].values()) == 60
    assert sorted(report["left_out"].values()) == [1, 1]


def test_columns_that_nobody_asked_for_are_not_decoded(job: Path, hubslice: Hubslice) -> None:
    columns = {"image": datasets.Image(), "mask": datasets.Image(), "label": datasets.Value("string")}
    rows = [
        {"image": {"bytes": png("red", row)}, "mask": {"bytes": b"broken"}, "label": ["red", "blue"][row % 2]}
        for row in range(12)
    ]
    pq.write_table(pa.Table.from_pylist(rows, datasets.Features(columns).arrow_schema), job / "x.parquet")
    assert hubslice(*COMMAND).code == 0


def test_a_label_beyond_the_named_classes(job: Path, refused: Refused) -> None:
    schema = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["red", "blue"])).arrow_schema
    rows = [{"image": {"bytes": png("red", row), "path": None}, "label": row % 3} for row in range(12)]
    pq.write_table(pa.Table.from_pylist(rows, schema), job / "x.parquet")
    says = ("row 2 of x.parquet has the label 2, counted from 0", "'label' names only 2 classes", "class names")
    refused(*COMMAND, code=2, says=says)
    assert nothing_is_left(job)


@pytest.mark.parametrize(
    ("splits", "says"),
    [
        (
            "{train: 0.98, validation: 0.001, test: 0.01}",
            ("the validation split of good.parquet is empty", "data.splits"),
        ),
        (
            "{train: 0.3, validation: 0.2, test: 0.5}",
            ("samples of the class 'blue', the train split none", "data.splits"),
        ),
        ("{train: train, validation: dev, test: test}", ("no split 'dev'; its splits are train", "give shares")),
        ("{train: 0.9, validation: 0.9, test: 0.1}", ("shares must be positive and sum to at most 1", "1.9")),
    ],
)
def test_splits_that_leave_nothing(job: Path, refused: Refused, splits: str, says: tuple[str, ...]) -> None:
    if "class" in says[0]:
        table(job / "good.parquet", label=["red", "green"] * 5 + ["red", "blue"])
    else:
        write_parquet(job / "good.parquet", 30)
    refused(*COMMAND, "data.path=good.parquet", f"data.splits={splits}", code=2, says=says)
    assert nothing_is_left(job)


def test_a_limit_keeps_every_class_while_it_can(job: Path, refused: Refused, hubslice: Hubslice) -> None:
    write_folder(job / "images", 60)
    for seed in range(8):
        assert hubslice(*COMMAND, "data.path=images", "data.limit=3", f"seed={seed}").code == 0
    refused(*COMMAND, "data.path=images", "data.limit=1", code=2, says=("one class only", "raise data.limit"))


def test_a_data_set_that_the_hub_lacks(job: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer(job / "hub") as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        says = ("there is no data at 'nobody/images'", "the Hub has no readable data set of this id", "hf auth login")
        refused(*COMMAND, "data.path=nobody/images", code=3, says=says)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        says = ("the Hub is switched off (HF_HUB_OFFLINE)", "use local data")
        refused(*COMMAND, "data.path=nobody/images", code=3, says=says)
    refused(*COMMAND, "data.path=no such id!", code=2, says=("nor a Hub id",))
    assert nothing_is_left(job)


@pytest.mark.parametrize("name", ["-x", "a--b", "x" * 97])
def test_a_name_that_can_be_none_on_the_hub(job: Path, refused: Refused, name: str) -> None:
    says = ("nor a Hub id", "set data.path to a parquet file, an image folder or a data set's Hub id")
    refused(*COMMAND, f"data.path={name}", code=2, says=says)

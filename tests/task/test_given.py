"""Images that a user hands over for a model: read by its rule, and told where it has none."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import get_args

import datasets
import numpy as np
import pytest
from PIL import Image

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import DataError, HubsliceWarning
from hubslice.modality.image.reading import read_rgb
from hubslice.models.folder import load_model
from hubslice.models.recording import KEY
from hubslice.recipe.transparency import Transparency
from hubslice.task.table import Table
from hubslice.task.user_inputs import open_data, open_given
from tests.run.cutouts import cut_out, write_cut_outs
from tests.task.photos import content, several, write
from tests.terminal.conftest import Hubslice, hubslice
from tests.tracing.small import write_model

__all__ = ["hubslice"]

PREPARATION = Preprocessing(
    input_size=(3, 32, 32), mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear", crop_pct=1, resize="squash"
)
BEHIND = {"white": 255, "black": 0}


def corner(pixels: np.ndarray) -> list[int]:
    """The first pixel of an image [3, H, W], in 255ths; it is clear in every cut-out."""
    return [round(255 * float(value)) for value in pixels[:, 0, 0]]


@pytest.fixture(params=["file", "folder", "parquet"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "parquet":
        return write_cut_outs(tmp_path / "images.parquet", 32, samples=3)
    folder = tmp_path / "images"
    folder.mkdir()
    for at, label in enumerate(("blue", "green", "red")):
        cut_out(label, at).save(folder / f"{at}.png")
    return folder if request.param == "folder" else folder / "0.png"


@pytest.mark.parametrize("rule", get_args(Transparency))
def test_the_model_s_rule_holds(images: Path, rule: Transparency) -> None:
    given = open_given(images, PREPARATION.model_copy(update={"transparency": rule}))
    hidden = list(cut_out("blue", 0).convert("RGB").getpixel((0, 0)))  # type: ignore[arg-type]
    assert corner(given.pixels(0, 1)[0].numpy()) == ([BEHIND[rule]] * 3 if rule in BEHIND else hidden)
    table = given.table(("a",))
    assert table.item(0).getpixel((0, 0)) == (tuple(hidden) if rule == "drop" else (BEHIND[rule],) * 3)


def test_without_a_rule_what_is_done_is_told_once(images: Path) -> None:
    given = open_given(images, PREPARATION)
    with pytest.warns(HubsliceWarning, match="is transparent, and the model records no rule for that") as told:
        found = given.pixels(0, len(given))
    assert len(told) == 1
    given.pixels(0, len(given))  # a second warning would be an error here
    assert corner(found[0].numpy()) == list(cut_out("blue", 0).convert("RGB").getpixel((0, 0)))  # type: ignore[arg-type]


def test_opaque_images_need_no_rule(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (1, 2, 3, 255)).save(tmp_path / "a.png")
    assert corner(open_given(tmp_path / "a.png", PREPARATION).pixels(0, 1)[0].numpy()) == [1, 2, 3]


@pytest.mark.slow
def test_the_command_line_tells_it_and_keeps_quiet_where_a_rule_is_recorded(
    tmp_path: Path, hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model")
    cut_out("blue", 0).save(tmp_path / "a.png")
    finished = hubslice("explain", "model", "--inputs", "a.png", "--out", "one", "--json")
    assert finished.code == 0, finished.stderr
    assert json.loads(finished.stderr)["warning"].startswith("a.png is transparent, and the model records no rule")
    finished = hubslice("explain", "model", "--inputs", "a.png", "--out", "two", "--quiet")
    assert finished.stderr.startswith("warning: a.png is transparent")
    model = load_model(tmp_path / "model")
    model.show_transparent("black")
    model.save(tmp_path / "marked")
    assert json.loads((tmp_path / "marked" / "config.json").read_text())[KEY] == "black"
    finished = hubslice("explain", "marked", "--inputs", "a.png", "--out", "three", "--json")
    assert (finished.code, finished.stderr) == (0, "")


@pytest.mark.slow
def test_a_graph_keeps_the_rule_of_its_model(tmp_path: Path) -> None:
    from hubslice.graph.deployable import write_onnx
    from hubslice.tracing.traceable import GraphFile

    write_model(tmp_path / "model")
    model = load_model(tmp_path / "model")
    model.show_transparent("black")
    write_onnx(model, tmp_path / "model.onnx")
    assert GraphFile.open(tmp_path / "model.onnx").preprocessing.transparency == "black"


def test_bytes_of_a_table_are_read_like_files(tmp_path: Path) -> None:
    file = io.BytesIO()
    cut_out("red", 1).save(file, "WEBP", lossless=True)
    path = tmp_path / "a.webp"
    path.write_bytes(file.getvalue())
    given = open_given(path, PREPARATION.model_copy(update={"transparency": "black"}))
    assert corner(given.pixels(0, 1)[0].numpy()) == [0, 0, 0]


def test_a_folder_is_walked_as_one_of_data_is(tmp_path: Path) -> None:
    litter = ["a/._00.png", ".ipynb_checkpoints/00-checkpoint.png", "__MACOSX/a/._00.png", "Thumbs.db", "metadata.csv"]
    root = write(tmp_path / "images[1]", [*several("a/deep", 3), "b.PNG", "c", *litter, ".hidden/0.png"])
    write(root, ["d.avif"], content("AVIF"))
    write(root, ["notes.txt", "t.parquet"], b"text")
    (root / "loop").symlink_to(root)
    with pytest.warns(HubsliceWarning) as told:
        given = open_given(root, PREPARATION)
    assert given.names == ("a/deep/00.png", "a/deep/01.png", "a/deep/02.png", "b.PNG", "c", "d.avif")
    assert given.pixels(0, 6).shape == (6, 3, 32, 32)
    lines = sorted(str(each.message).removeprefix(f"{root}: ") for each in told)
    assert [line.partition(",")[0] for line in lines] == [
        "1 file is left out",
        "1 file is left out",
        "2 files are left out",
        "5 files are left aside",
    ]


@pytest.mark.parametrize("column", ["image", "img", "photo"])
@pytest.mark.parametrize("labels", [None, "text", "lists"])
def test_a_table_needs_no_labels(tmp_path: Path, column: str, labels: str | None) -> None:
    image = {"bytes": content("PNG", "blue"), "path": None}
    columns: dict[str, list[object]] = {column: [image] * 3, "number": [1, 2, 3]}
    if labels is not None:
        columns["label"] = ["a", None, "b"] if labels == "text" else [[1], [], [2, 3]]
    rows = datasets.Dataset.from_dict(columns)
    features = rows.features | ({} if column == "img" else {column: datasets.Image(decode=False)})
    rows.cast(datasets.Features(features)).to_parquet(str(tmp_path / "T.PARQUET"))
    given = open_given(tmp_path / "T.PARQUET", PREPARATION)
    assert isinstance(given.items, Table)
    assert given.items.labels == (("a", "b") if labels == "text" else ())
    assert corner(given.pixels(0, 3)[2].numpy()) == [0, 0, 255]


def test_a_table_without_images_is_told_in_words_of_inputs(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"a": [1], "b": [2]}).to_parquet(str(tmp_path / "t.parquet"))
    with pytest.raises(DataError, match="has no column 'image'; its columns are a, b") as caught:
        open_given(tmp_path / "t.parquet", PREPARATION)
    assert caught.value.hint == "call the column with the images image"


def test_a_folder_of_tables_is_read_as_data_is(tmp_path: Path) -> None:
    for name, samples in (("test", 3), ("train", 6)):
        write_cut_outs(tmp_path / f"data/{name}.parquet", 32, samples=samples)
    with pytest.warns(HubsliceWarning, match="of its splits test, train, train is taken"):
        given = open_given(tmp_path / "data", PREPARATION)
    assert len(given) == 6


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell leaves the sign in `--inputs=~/photos`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "photos", several("cat", 3))
    assert len(open_data("~/photos", PREPARATION)) == len(open_given(Path("~/photos"), PREPARATION)) == 3
    with pytest.raises(DataError, match="there is nothing at ~nobody-here/photos"):
        open_data("~nobody-here/photos", PREPARATION)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "known format: the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "known format: a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html>404", "known format: a web page"),
        (b"text", "not an image of a known format$"),
    ],
)
def test_what_lies_in_place_of_an_image_is_told(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match=says):
        open_given(tmp_path / "a.png", PREPARATION).pixels(0, 1)
    datasets.Dataset.from_dict({"image": [{"bytes": data, "path": "a.png"}]}).to_parquet(str(tmp_path / "t.parquet"))
    with pytest.raises(DataError, match=says):
        open_given(tmp_path / "t.parquet", PREPARATION).pixels(0, 1)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "images", ["a/"])
    with pytest.raises(DataError, match="holds no images"):
        open_given(tmp_path / "images", PREPARATION)


@pytest.mark.parametrize(("room", "reads"), [(1 << 28, 1), (0, 4), (2 * 3 * 32 * 32, 2)])
def test_images_are_read_once_as_far_as_there_is_room(
    room: int, reads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look before the work, and each use after it, give the same pixels from fewer readings."""
    for number in range(3):
        values = np.random.default_rng(number).integers(0, 255, (80, 60, 3), dtype=np.uint8)
        Image.fromarray(values).save(tmp_path / f"{number}.png")
    read: list[Path] = []

    def counted(path: Path, transparency: Transparency) -> Image.Image:
        read.append(path)
        return read_rgb(path, transparency)

    monkeypatch.setattr("hubslice.task.user_inputs.read_rgb", counted)
    monkeypatch.setattr("hubslice.task.user_inputs.KEPT_BYTES", room)
    given = open_given(tmp_path, PREPARATION)
    given.check(lambda: None)
    found = [given.pixels(0, 3), given.pixels(0, 3), given.pixels(0, 3)]
    assert len(read) == 3 * reads
    monkeypatch.setattr("hubslice.task.user_inputs.read_rgb", read_rgb)
    for pixels in found:
        assert pixels.equal(open_given(tmp_path, PREPARATION).pixels(0, 3))

"""Task data from parquet and image folders: splits, preparation, errors."""

from __future__ import annotations

import gc
import io
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import DataError, HubsliceWarning
from hubslice.modality.image.images import PIXELS, Images
from hubslice.modality.image.pixels import augment_crop, prepare
from hubslice.modality.image.reading import read_rgb
from hubslice.recipe.schema import DataParams, SplitParams
from hubslice.recipe.transparency import Transparency
from hubslice.task import cells, table
from hubslice.task.opening import open_tables
from hubslice.task.task import load_task
from tests.images import square, write_parquet
from tests.task.photos import PNG, write

PREPARATION = Preprocessing(
    input_size=(3, 32, 32), mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear", crop_pct=0.875, resize="shortest"
)


def test_parquet_is_split_by_group(base: Path) -> None:
    task = load_task(DataParams(path="shapes.parquet", group="group"), base, 0)
    assert task.labels == ("blue", "green", "red")
    assert sum(task.report.samples.values()) == 90
    groups = [set(np.asarray(split.table.groups())[split.rows]) for split in (task.train, task.validation, task.test)]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    pixels = task.test.encoded(0, 4, Images(PREPARATION))[PIXELS]
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (4, 3, 32, 32)


def test_the_same_data_and_seed_give_the_same_fingerprint(base: Path) -> None:
    params = DataParams(path="shapes.parquet", group="group")
    first, again, other = (load_task(params, base, seed).report.fingerprint for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_an_image_folder_takes_its_classes_from_folder_names(base: Path) -> None:
    task = load_task(DataParams(path="shapes"), base, 0)
    assert task.labels == ("blue", "green", "red")
    middle = task.train.table.item(int(task.train.rows[0]))
    assert middle.mode == "RGB"


def test_a_limit_applies_to_every_split(base: Path) -> None:
    task = load_task(DataParams(path="shapes.parquet", limit=5), base, 0)
    assert set(task.report.samples.values()) == {5}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (DataParams(path="none.parquet"), "there is no data at 'none.parquet'"),
        (
            DataParams(path="shapes.parquet", image="photo"),
            "no column 'photo'; its columns are image, label, group",
        ),
        (DataParams(path="shapes.parquet", group="author"), "no column 'author'"),
        (
            DataParams(path="shapes.parquet", splits=SplitParams(train="train", validation="dev", test="test")),
            "no split 'dev'; its splits are train",
        ),
        (
            DataParams(path="shapes.parquet", splits=SplitParams(train=0.98, validation=0.001, test=0.01)),
            "the validation split of shapes.parquet is empty",
        ),
    ],
)
def test_data_that_does_not_fit_is_named(base: Path, params: DataParams, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load_task(params, base, 0)
    assert message in caught.value.message


def test_one_class_is_no_task(tmp_path: Path) -> None:
    (tmp_path / "one" / "red").mkdir(parents=True)
    for index in range(12):
        square("red", index).save(tmp_path / "one" / "red" / f"{index}.png")
    with pytest.raises(DataError, match="one class only"):
        load_task(DataParams(path="one"), tmp_path, 0)


def test_a_broken_image_is_named_by_row(tmp_path: Path) -> None:
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["a", "b"]))
    rows = {"image": [{"bytes": b"no image", "path": None}] * 20, "label": [0, 1] * 10}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "broken.parquet"))
    task = load_task(DataParams(path="broken.parquet"), tmp_path, 0)
    with pytest.raises(DataError, match=r"row \d+ of broken\.parquet has no readable image"):
        task.train.encoded(0, 1, Images(PREPARATION))


def test_transparency_is_white(tmp_path: Path) -> None:
    for index, label in enumerate("ab" * 6):
        (tmp_path / "clear" / label).mkdir(parents=True, exist_ok=True)
        Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(tmp_path / "clear" / label / f"{index}.png")
    task = load_task(DataParams(path="clear"), tmp_path, 0)
    assert int(task.train.encoded(0, 1, Images(PREPARATION))[PIXELS].min()) == 255


def test_preparation_resizes_and_crops_the_centre() -> None:
    wide = Image.new("RGB", (80, 40), "black")
    wide.paste("white", (30, 0, 50, 40))
    shortest = prepare(wide, PREPARATION)
    squashed = prepare(wide, PREPARATION.model_copy(update={"resize": "squash"}))
    assert shortest.shape == squashed.shape == (3, 32, 32)
    # The white bar is a quarter of the width; keeping the aspect ratio it fills more of the crop.
    assert (shortest[0, 16] > 127).sum() > (squashed[0, 16] > 127).sum()


def test_augmentation_depends_on_its_generator_alone() -> None:
    image = square("red", 3)
    first, again, other = (augment_crop(image, PREPARATION, np.random.default_rng(seed), 0.3) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("values", [[0, 1, -1] * 8, [0, 1, None] * 8])
@pytest.mark.parametrize("kind", [datasets.ClassLabel(names=["a", "b"]), datasets.Value("string")])
def test_a_missing_label_is_named_by_row(tmp_path: Path, values: list[int | None], kind: object) -> None:
    if isinstance(kind, datasets.Value):
        values = [None if value in (-1, None) else "ab"[value] for value in values]
    features = datasets.Features(image=datasets.Image(), label=kind)
    rows = {"image": [square("red", 0)] * len(values), "label": values}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "some.parquet"))
    with pytest.raises(DataError, match=r"row 2 of some\.parquet has no label"):
        load_task(DataParams(path="some.parquet"), tmp_path, 0)


# `datasets` leaves a folder's metadata file to the garbage collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_splits_of_the_data_set_may_not_tear_groups(tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        folder = tmp_path / "torn" / name
        folder.mkdir(parents=True)
        rows = []
        for index in range(4):
            square("red", index).save(folder / f"{index}.png")
            rows.append(f"{index}.png,{'ab'[index % 2]},author")
        (folder / "metadata.csv").write_text("file_name,label,group\n" + "\n".join(rows) + "\n")
    params = DataParams(path="torn", splits=SplitParams(train="train", validation="validation", test="test"))
    assert load_task(params, tmp_path, 0).labels == ("a", "b")
    with pytest.raises(DataError, match="1 groups of torn have samples in train and in validation"):
        load_task(params.model_copy(update={"group": "group"}), tmp_path, 0)
    gc.collect()


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parquet(tmp_path / "shapes.parquet")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_task(DataParams(path="~/shapes.parquet"), Path("/"), 0).labels == ("blue", "green", "red")


def test_a_folder_of_parquet_files_has_the_splits_that_they_are_called(tmp_path: Path) -> None:
    write_parquet(tmp_path / "shapes" / "train.parquet", 60)
    write_parquet(tmp_path / "shapes" / "test.parquet", 30)
    splits = SplitParams(train="train", validation=0.2, test="test")
    task = load_task(DataParams(path="shapes", splits=splits), tmp_path, 0)
    assert task.report.samples == {"train": 48, "validation": 12, "test": 30}


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_a_split_of_a_table_may_lack_a_class(tmp_path: Path, kind: str) -> None:
    names: list[object] = ["a", "b", "c"] if kind == "text" else [0, 1, 2]
    for split, labels in (("train", names), ("test", names[:2]), ("validation", names)):
        rows = [{"image": {"bytes": PNG, "path": None}, "label": label} for label in labels]
        (tmp_path / "data").mkdir(exist_ok=True)
        datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / f"data/{split}.parquet"))
    params = DataParams(path="data", splits=SplitParams(train="train", validation="validation", test="test"))
    with pytest.warns(HubsliceWarning, match=f"the split test has no images of {names[2]}, which"):
        task = load_task(params, tmp_path, 0)
    assert task.labels == tuple(map(str, names))
    assert task.test.targets.tolist() == [0, 1]
    other = DataParams(path="data", splits=SplitParams(train="test", validation="validation", test="train"))
    with (
        pytest.warns(HubsliceWarning, match="has no images of"),
        pytest.raises(DataError, match=f"samples of the class '{names[2]}', the train split none") as caught,
    ):
        load_task(other, tmp_path, 0)
    assert "name other splits in data.splits" in str(caught.value.hint)


def test_one_class_folder_is_told_what_classes_are(tmp_path: Path) -> None:
    write(tmp_path / "photos", [f"images/{number}.png" for number in range(20)])
    with pytest.raises(DataError, match="of one class only, 'images'") as caught:
        load_task(DataParams(path="photos"), tmp_path, 0)
    assert "class/image.png" in str(caught.value.hint)


def test_parquet_files_without_rows(tmp_path: Path) -> None:
    """Other programs write them for parts that nothing fell into."""
    whole = [{"image": {"bytes": PNG, "path": None}, "label": label} for label in "abababab"]
    rows = datasets.Dataset.from_list(whole)
    (tmp_path / "data").mkdir()
    for name, part in (("part-0", rows.select(range(0))), ("part-1", rows)):
        part.to_parquet(str(tmp_path / f"data/{name}.parquet"))
    with pytest.warns(HubsliceWarning, match=r"parquet files without rows are left out: part-0\.parquet"):
        assert len(open_tables(DataParams(path="data"), tmp_path)[0]["train"]) == 8
    with pytest.raises(DataError, match="cannot be read as parquet: it has no rows"):
        open_tables(DataParams(path="data/part-0.parquet"), tmp_path)


def test_a_pointer_in_place_of_a_table_is_told(tmp_path: Path) -> None:
    write(tmp_path / "data", ["t.parquet"], b"version https://git-lfs.github.com/spec/v1\n")
    for path in ("data", "data/t.parquet"):
        with pytest.raises(DataError, match=r"\(t\.parquet: a pointer of Git LFS"):
            open_tables(DataParams(path=path), tmp_path)


def test_addresses_of_images_are_told(tmp_path: Path) -> None:
    rows = [{"image": "https://example.com/1.png", "label": "a"}]
    datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / "t.parquet"))
    table = open_tables(DataParams(path="t.parquet"), tmp_path)[0]["train"]
    with pytest.raises(DataError, match=r"https://example\.com/1\.png is an address, and images are not fetched"):
        table.item(0)


def test_a_path_is_not_empty() -> None:
    with pytest.raises(ValueError, match="at least 1 character"):
        DataParams(path="")


def test_small_data_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parquet(tmp_path / "shapes.parquet", 6)
    params = DataParams(path="shapes.parquet")
    read: list[object] = []

    def counted(stored: io.BytesIO, transparency: Transparency) -> Image.Image:
        read.append(stored)
        return read_rgb(stored, transparency)

    monkeypatch.setattr(cells, "read_rgb", counted)
    first = open_tables(params, tmp_path)[0]["train"].item(0)
    monkeypatch.setattr(table, "KEPT_BYTES", 4 * 3 * first.width * first.height)  # room for four of the six
    read.clear()
    opened = open_tables(params, tmp_path)[0]["train"]
    passes = [[np.array(opened.item(row)) for row in range(6)] for _ in range(3)]
    assert len(read) == 6 + 2 + 2
    assert all(np.array_equal(a, b) for later in passes[1:] for a, b in zip(passes[0], later, strict=True))

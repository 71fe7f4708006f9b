"""The rules by which folders become classes and splits."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import ImageFolder

from hubslice.core.errors import DataError, HubsliceWarning
from hubslice.core.escaping import named
from hubslice.recipe.schema import DataParams, SplitParams
from hubslice.task.opening import open_tables
from hubslice.task.split_words import split_of
from hubslice.task.task import load_task
from tests.task.photos import CAT, DOG, TWO, classes, content, read, several, write

LITTER = (
    *("cat/._00.png", "__MACOSX/cat/._00.png", ".ipynb_checkpoints/00-checkpoint.png", "Thumbs.db", "cat/.DS_Store"),
    *("dog/desktop.ini", ".git/objects/00", "README.md", "LICENSE", "cat/@eaDir/00.jpg"),
)


NFC, NFD = (unicodedata.normalize(form, "caf\N{LATIN SMALL LETTER E WITH ACUTE}") for form in ("NFC", "NFD"))


# Places of images, the splits with their classes, and what the lines say.
READ: dict[str, tuple[list[str], dict[str, dict[str, int]], tuple[str, ...]]] = {
    "classes": ([*CAT, *DOG], {"train": TWO}, ()),
    "words of splits in files' names": (
        [
            *several("cat/crash-test", 0),
            *(f"{c}/{w}-{n}.png" for c in TWO for w in ("test", "train") for n in range(10)),
        ],
        {"train": TWO},
        (),
    ),
    "underscores": ([*CAT, *several("__background__")], {"train": {"cat": 20, "__background__": 20}}, ()),
    "class/year": (
        [*several("cat/2020", 10), *several("cat/2021", 10), *DOG],
        {"train": TWO},
        ("20 images lie in 2 nested folders (cat/2020, cat/2021)",),
    ),
    "a class called valid": ([*CAT, *DOG, *several("valid", 5)], {"train": TWO | {"valid": 5}}, ()),
    "classes with numbers": ([*several("test1"), *several("test2")], {"train": {"test1": 20, "test2": 20}}, ()),
    "a class called train": ([*CAT, *several("train", 5)], {"train": {"cat": 20, "train": 5}}, ()),
    "years of classes that mention splits": (
        [*several("crash_test/2020"), *several("train_station/2020")],
        {"train": {"crash_test": 20, "train_station": 20}},
        ("2 nested folders",),
    ),
    "classes that mention splits": (
        [*several("seg_train"), *several("seg_test")],
        {"train": {"seg_train": 20, "seg_test": 20}},
        (),
    ),
    "years of a class called test": (
        [*several("cat/2020"), *several("test/2020")],
        {"train": {"cat": 20, "test": 20}},
        ("2 nested folders",),
    ),
    "splits": (
        [*several("train/cat"), *several("train/dog"), *several("test/cat", 5), *several("test/dog", 5)],
        {"train": TWO, "test": {"cat": 5, "dog": 5}},
        (),
    ),
    "one split": ([*several("train/cat"), *several("train/dog")], {"train": TWO}, ()),
    "splits in capitals": (
        [*several("Train/cat"), *several("Train/dog"), *several("TEST/cat"), *several("TEST/dog")],
        {"train": TWO, "test": TWO},
        ("Train/ is train", "TEST/ is test"),
    ),
    "holdout": (
        [*several("train/cat"), *several("train/dog"), *several("holdout/cat"), *several("holdout/dog")],
        {"train": TWO, "test": TWO},
        ("holdout/ is test",),
    ),
    "test and holdout": (
        [f"{split}/{place}" for split in ("train", "test", "holdout") for place in (*CAT, *DOG)],
        {"train": TWO, "test": TWO, "holdout": TWO},
        (),
    ),
    "training_set": (
        [f"{split}/{place}" for split in ("training_set", "val-images", "testset") for place in (*CAT, *DOG)],
        {"train": TWO, "validation": TWO, "test": TWO},
        ("training_set/ is train", "val-images/ is validation", "testset/ is test"),
    ),
    "a class that one split lacks": (
        [f"{split}/{place}" for split in ("train", "test") for place in (*CAT, *DOG)] + several("train/owl"),
        {"train": TWO | {"owl": 20}, "test": TWO},
        ("the split test has no images of owl",),
    ),
    "an image beside the classes": (
        [*CAT, *DOG, "logo.png"],
        {"train": TWO},
        ("1 file is left out, images beside the class folders, in no class: logo.png",),
    ),
    "an image beside a split's classes": (
        [*several("train/cat"), *several("train/dog"), "train/logo.png", "logo.png"],
        {"train": TWO},
        ("2 files are left out, images beside the class folders, in no class: logo.png, train/logo.png",),
    ),
    "a hidden class": (
        [*several("cat", 40), *DOG, *several(".owl", 3)],
        {"train": {"cat": 40, "dog": 20}},
        ("3 files are left out, hidden", ".owl/00.png"),
    ),
    "litter": (
        [*CAT, *DOG, *LITTER],
        {"train": TWO},
        ("10 files are left aside, left there by systems, tools and repositories",),
    ),
    "run folders": (
        [*CAT, *DOG, "runs/a/run.json", "runs/a/explain/1.png", "runs/b/run.json", "dog/mine/run.json"],
        {"train": TWO},
        ("3 files are left aside, what hubslice wrote in run folders: dog/mine/, runs/a/, runs/b/",),
    ),
    "capitals": ([*several("cat", 20, ".PNG"), *several("dog", 20, ".JpG")], {"train": TWO}, ()),
    "no endings": ([*several("cat", 20, ""), *several("dog", 20, ".image")], {"train": TWO}, ()),
    "NFC and NFD": (
        [*several(f"train/{NFC}"), *several("train/dog"), *several(f"test/{NFD}"), *several("test/dog")],
        {"train": {NFC: 20, "dog": 20}, "test": {NFC: 20, "dog": 20}},
        (),
    ),
    "NFC beside NFD": ([*several(NFC, 10), *several(NFD, 10), *DOG], {"train": {NFC: 20, "dog": 20}}, ()),
    "names alike": (
        [*several("Cat"), *several("cat ")],
        {"train": {"Cat": 20, "cat ": 20}},
        ("'Cat', 'cat ' are 2 classes, whose names differ",),
    ),
    "numbers": ([f"{n}/{k}.png" for n in range(12) for k in range(2)], {"train": {str(n): 2 for n in range(12)}}, ()),
    "odd signs": (
        [*several("a\nb"), *several("c\x1b[31m"), "a\nb/.\x1b.png"],
        {"train": {"a\nb": 20, "c\x1b[31m": 20}},
        (r"a\nb/.\x1b.png",),
    ),
}


@pytest.mark.parametrize(("places", "expected", "lines"), READ.values(), ids=READ)
def test_what_is_read(
    tmp_path: Path, places: list[str], expected: dict[str, dict[str, int]], lines: tuple[str, ...]
) -> None:
    tables, told = read(write(tmp_path / "photos", places))
    assert classes(tables) == expected
    assert all(any(line in each for each in told) for line in lines), told
    assert lines or not told
    assert not any("\n" in line or "\x1b" in line for line in told)


REFUSED: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "nothing": (["cat/"], ("cannot be read as a folder of images: it holds none",)),
    "images in no folder": (several("."), ("no class folders", "metadata.csv")),
    "images in splits alone": ([*several("train"), *several("test")], ("no class folders in there",)),
    "splits with numbers": ([*several("train"), *several("test1")], ("no class folders in there",)),
    "a folder that is no split": (
        [*several("train/cat"), *several("train/dog"), *several("extra/cat")],
        ("photos holds train/, called like splits, and beside them extra/", "holdout"),
    ),
    "splits below classes": (
        [*several("cat/train"), *several("cat/test"), *several("dog/train"), *several("dog/test")],
        ("hold splits (cat/test, cat/train, dog/test", "put the splits first"),
    ),
    "one folder around all": (
        [*several("PetImages/cat"), *several("PetImages/dog")],
        ("one folder, PetImages/", "data.path to photos/PetImages"),
    ),
    "splits in one folder": (
        [*several("data/train/cat"), *several("data/test/cat")],
        ("hold splits", "data.path to photos/data")[1:],
    ),
    "names that mention splits": (
        [f"{split}/{place}" for split in ("seg_train", "seg_test", "seg_pred") for place in (*CAT, *DOG)],
        ("seg_test/, seg_train/ of photos", "mention splits", "seg_test/ would be test/"),
    ),
    "numbered splits": (
        [f"{split}/{place}" for split in ("01_train", "02_val") for place in (*CAT, *DOG)],
        ("01_train/, 02_val/ of photos", "01_train/ would be train/"),
    ),
    "a split beside a numbered one": (
        [f"{split}/{place}" for split in ("train", "test_1") for place in (*CAT, *DOG)],
        ("test_1/, train/ of photos", "test_1/ would be test/"),
    ),
    "images and masks": (
        [*several("JPEGImages"), *several("Ground_Truth")],
        ("photos holds Ground_Truth/, JPEGImages/: images and what is marked", "metadata.csv"),
    ),
    "images and masks in splits": (
        [f"{split}/{place}" for split in ("train", "val") for place in (*several("images"), *several("masks"))],
        ("photos holds images/, masks/: images",),
    ),
    "the same split twice": ([*several("Train/cat"), *several("train/cat")], ("both the split train",)),
    "an empty class": ([*CAT, *DOG, "owl/"], ("1 folder has no image of a class: owl", "data.allow_skipped: true")),
    "an empty class of a split": (
        [f"{split}/{place}" for split in ("train", "test") for place in (*CAT, *DOG)] + ["train/owl/"],
        ("no image of a class: train/owl",),
    ),
    "a split without classes": (
        [*several("train/cat"), *several("train/dog"), *several("test", 3)],
        ("no image of a class: test",),
    ),
    "too much in no class": (
        [*CAT, *DOG, *(f"{n}.png" for n in range(5))],
        ("5 of 45 files of photos would be left out, more than one in 10", "5 files are left out, images beside"),
    ),
    "too many hidden": ([*CAT, *DOG, *several(".owl")], ("20 of 60 files", "hidden", "data.allow_skipped")),
}


@pytest.mark.parametrize(("places", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(tmp_path: Path, places: list[str], says: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as caught:
        read(write(tmp_path / "photos", places))
    told = f"{caught.value.message}\n{caught.value.hint}"
    assert all(each in told for each in says), told


@pytest.mark.parametrize("name", ["an empty class", "an empty class of a split", "too much in no class"])
def test_a_recipe_may_allow_it(tmp_path: Path, name: str) -> None:
    tables, told = read(write(tmp_path / "photos", REFUSED[name][0]), allow_skipped=True)
    assert all(found == TWO for found in classes(tables).values())
    assert told


def test_a_test_split_without_classes_is_left_out_by_name(tmp_path: Path) -> None:
    """As competitions hand it out: train/cat, train/dog, and test without labels."""
    places = [*several("train/cat"), *several("train/dog"), *several("test", 30)]
    tables, told = read(write(tmp_path / "photos", places), allow_skipped=True)
    assert classes(tables) == {"train": TWO}
    assert any("30 files are left out, images beside the class folders" in line for line in told)


PLAIN = {
    "flat": [*CAT, *DOG, *several("An owl", 3)],
    "nested": [*several("cat/2020", 4), *several("cat/2021/may", 3), *DOG],
    "links": [*CAT, *DOG],
    "formats": [*several("cat", 5, ".PNG"), *several("dog", 5, ".jpeg"), *several("eel", 5, ".webp")],
}


@pytest.mark.filterwarnings("ignore:.*nested folder:hubslice.core.errors.HubsliceWarning")
@pytest.mark.parametrize("places", PLAIN.values(), ids=PLAIN)
def test_plain_layouts_are_those_of_torchvision(tmp_path: Path, places: list[str]) -> None:
    root = write(tmp_path / "photos", places)
    write(tmp_path / "other", several("owl"))
    if places is PLAIN["links"]:
        (root / "owl").symlink_to(tmp_path / "other/owl")
    theirs = ImageFolder(root)
    table = read(root)[0]["train"]
    assert list(table.labels) == theirs.classes
    paths = [str(table.stored(row)) for row in range(len(table))]
    assert dict(zip(paths, table.targets().tolist(), strict=True)) == dict(theirs.samples)


def test_the_order_of_rows_is_that_of_their_places(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [place for name in ("b c", "b", "ca", "C", "\xe4") for place in several(name)])
    table = read(root)[0]["train"]
    paths = [str(table.stored(row)) for row in range(len(table))]
    assert paths == sorted(paths)
    assert table.labels == ("C", "b", "b c", "ca", "\xe4")


def test_the_fingerprint_follows_rows_alone(tmp_path: Path) -> None:
    def fingerprint(root: Path) -> str:
        return open_tables(DataParams(path=str(root)), Path())[1]

    root = write(tmp_path / "photos", [*CAT, *DOG])
    first = fingerprint(root)
    assert fingerprint(write(tmp_path / "copy", [*CAT, *DOG])) == first
    write(root, [".DS_Store"])
    with pytest.warns(HubsliceWarning, match="left aside"):
        assert fingerprint(root) == first
    (root / "cat/00.png").write_bytes(content("PNG", "blue"))
    with pytest.warns(HubsliceWarning, match="left aside"):
        assert fingerprint(root) != first


def test_normal_forms_of_names_make_no_other_data(tmp_path: Path) -> None:
    one, two = (write(tmp_path / form, [*several(form), *DOG]) for form in (NFC, NFD))
    first, second = (open_tables(DataParams(path=str(root)), Path())[1] for root in (one, two))
    assert first == second


def test_names_of_folders_are_taken_for_their_splits(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [f"{s}/{p}" for s in ("Training", "Dev", "Holdout") for p in (*CAT, *DOG)])
    splits = SplitParams(train="Training", validation="dev", test="holdout")
    with pytest.warns(HubsliceWarning, match="Holdout/ is test"):
        task = load_task(DataParams(path="photos", splits=splits), root.parent, 0)
    assert task.report.samples == {"train": 40, "validation": 40, "test": 40}


@pytest.mark.filterwarnings("ignore:.*its folders are splits:hubslice.core.errors.HubsliceWarning")
def test_a_split_that_the_recipe_does_not_name_is_told(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [f"{s}/{p}" for s in ("train", "val", "test") for p in (*CAT, *DOG)])
    splits = SplitParams(train="train", validation=0.2, test="test")
    with pytest.warns(HubsliceWarning, match=r"does not name the split validation \(40 images\): not used"):
        load_task(DataParams(path="photos", splits=splits), root.parent, 0)


def test_shares_of_several_splits_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [f"{s}/{p}" for s in ("train", "test") for p in (*CAT, *DOG)])
    with pytest.raises(DataError, match=r"comes with splits \(test, train\)"):
        load_task(DataParams(path="photos"), root.parent, 0)


def test_the_report_counts_what_is_left_out(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [*CAT, *DOG, "logo.png", "Thumbs.db"])
    with pytest.warns(HubsliceWarning):
        report = load_task(DataParams(path="photos"), root.parent, 0).report
    assert report.left_out == {"images beside the class folders, in no class": 1}


def test_numbers_of_classes_are_their_names(tmp_path: Path) -> None:
    table = read(write(tmp_path / "photos", [f"{n}/{k}.png" for n in range(12) for k in range(2)]))[0]["train"]
    assert table.labels == tuple(map(str, range(12)))
    numbers = [int(Path(str(table.stored(row))).parent.name) for row in range(len(table))]
    assert np.array_equal(table.targets(), numbers)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(("Train", "train"), ("TRAINING", "train"), ("train_set", "train"), ("valid", "validation")),
        *(
            ("Dev", "validation"),
            ("val2017", "validation"),
            ("test-images-2015", "test"),
            ("hold-out", "test"),
            ("test images", "test"),
        ),
        *(("set", None), ("trains", None), ("contest", None), ("test1", None), ("2017", None), ("a", None), ("", None)),
    ],
)
def test_spellings_of_splits(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_a_name_is_shown_in_one_line() -> None:
    assert named("a\nb\x1b[0m \N{SNOWMAN}") == "a\\nb\\x1b[0m \N{SNOWMAN}"

"""The shipped drawings: what the data sheet promises holds for the file itself."""

import importlib.util
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType

import datasets
import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "recipes" / "data" / "drawings"
COUNTS = {
    "animals": 269,
    "buildings": 53,
    "electronics": 88,
    "food": 322,
    "music": 67,
    "office": 152,
    "people": 206,
    "plants": 69,
    "tools": 131,
    "vehicles": 107,
}


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        return datasets.load_dataset(
            "parquet",
            data_files=str(FOLDER / "drawings.parquet"),
            cache_dir=str(tmp_path_factory.mktemp("cache")),
            split="train",
        )


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drawings_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up while the class is made.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "drawings_build", module)
        spec.loader.exec_module(module)
    return module


def test_features_are_kept(drawings: datasets.Dataset) -> None:
    assert drawings.features == datasets.Features(
        image=datasets.Image(),
        label=datasets.ClassLabel(names=list(COUNTS)),
        group=datasets.Value("int32"),
        source=datasets.Value("string"),
    )


def test_counts_of_classes(drawings: datasets.Dataset) -> None:
    names = drawings.features["label"].names
    assert {names[label]: count for label, count in Counter(drawings["label"]).items()} == COUNTS


def test_order_and_size(drawings: datasets.Dataset) -> None:
    rows = list(zip(drawings["label"], drawings["source"], strict=True))
    assert rows == sorted(rows)
    assert (FOLDER / "drawings.parquet").stat().st_size < 4_000_000


def test_images_are_rgb_squares(drawings: datasets.Dataset) -> None:
    assert {(image.mode, image.size, image.format) for image in drawings["image"]} == {("RGB", (128, 128), "WEBP")}


def test_no_image_occurs_twice(drawings: datasets.Dataset) -> None:
    encoded = drawings.cast_column("image", datasets.Image(decode=False))["image"]
    assert len({image["bytes"] for image in encoded}) == len(drawings)
    assert len(set(drawings["source"])) == len(drawings)


def test_groups_are_numbered_by_first_member(drawings: datasets.Dataset) -> None:
    groups = list(dict.fromkeys(drawings["group"]))
    assert groups == list(range(1073))


def test_near_images_share_a_group(drawings: datasets.Dataset, build: ModuleType) -> None:
    rows = drawings.filter(lambda label: label == 3, input_columns="label", keep_in_memory=True)
    hashes = [build.image_hash(np.asarray(image)) for image in rows["image"]]
    groups = rows["group"]
    near = [
        (first, second)
        for first in range(len(hashes))
        for second in range(first + 1, len(hashes))
        # Two bits of room: another libwebp may decode a pixel differently.
        if np.count_nonzero(hashes[first] != hashes[second]) <= build.NEAR - 2
    ]
    assert len(near) > 20
    assert all(groups[first] == groups[second] for first, second in near)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("food/desserts/cone1_bw_ganson.png", "food/desserts/cone1_ganson.png"),
        ("food/fries_bw.png", "food/fries_ganson.png"),
        ("people/people_juliane_krug_01a.png", "people/people_juliane_krug_09c.png"),
        ("office/pin_-_blue_nicu_buculei_01.png", "office/pin_-red_nicu_buculei_01.png"),
    ],
)
def test_variants_share_a_group(drawings: datasets.Dataset, first: str, second: str) -> None:
    group = dict(zip(drawings["source"], drawings["group"], strict=True))
    assert group[first] == group[second]


def test_groups_stay_small_and_in_one_class(drawings: datasets.Dataset) -> None:
    labels = defaultdict(set)
    for group, label in zip(drawings["group"], drawings["label"], strict=True):
        labels[group].add(label)
    assert max(Counter(drawings["group"]).values()) == 27
    assert sum(len(found) > 1 for found in labels.values()) == 2

"""Fashion-MNIST's idx files as the parquet files that recipes read."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from bench.reuse.data import FILES, LABELS, read_idx, write_fashion
from hubslice.recipe.load import load_recipe
from hubslice.task.task import load_task


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, prefix in FILES.items():
        count = 600 if split == "train" else 40
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", rng.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", (np.arange(count) % 10).astype(np.uint8))
    return tmp_path


@pytest.mark.parametrize("name", ["vision/fashion-resnet20", "vision/fashion-vgg"])
def test_the_built_in_recipes_read_it(source: Path, name: str) -> None:
    recipe = load_recipe(name, [f"data.path={write_fashion(source, source / 'fashion')}"]).recipe
    task = load_task(recipe.data, source, recipe.seed)
    assert task.labels == LABELS
    assert task.report.samples == {"train": 590, "validation": 10, "test": 40}
    images = read_idx(source / "t10k-images-idx3-ubyte.gz")
    assert np.array_equal(np.asarray(task.test.table.item(7))[..., 0], images[7])
    assert task.test.targets.tolist() == [index % 10 for index in range(40)]


def test_what_is_there_stays(source: Path) -> None:
    target = write_fashion(source, source / "fashion")
    before = {path.name: path.stat().st_mtime_ns for path in target.iterdir()}
    write_fashion(source, target)
    assert {path.name: path.stat().st_mtime_ns for path in target.iterdir()} == before
    assert sorted(before) == ["test.parquet", "train.parquet"]

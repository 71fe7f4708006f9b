"""What rows of tables are called for people."""

from __future__ import annotations

import io
from pathlib import Path

import datasets
from PIL import Image

from hubslice.artefacts.model import Preprocessing
from hubslice.task.titles import title, titles
from hubslice.task.user_inputs import open_given


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    return file.getvalue()


def table(**columns: list[object]) -> datasets.Dataset:
    features = datasets.Features({"image": datasets.Image(decode=False)})
    if "label" in columns:
        features["label"] = datasets.ClassLabel(names=["cat", "dog"])
    return datasets.Dataset.from_dict(columns, features=features)


def test_rows_are_called_by_file_else_by_class_and_by_number() -> None:
    paths = ["photos/leaf.png", None, "C:\\photos\\leaf.png", None]
    images = [{"bytes": png(), "path": path} for path in paths]
    rows = table(image=images, label=[0, 1, 0, None])
    assert titles(rows, "image", "label") == ("leaf.png, row 0", "dog, row 1", "leaf.png, row 2", "row 3")
    assert titles(table(image=images), "image", "label")[1] == "row 1"


def test_a_long_name_is_cut_and_a_strange_one_made_harmless() -> None:
    assert title("x" * 100, 3) == f"{'x' * 40}, row 3"
    assert "\x1b" not in title("\x1b[31mred", 3)


def test_a_table_that_is_handed_over_has_such_names(tmp_path: Path) -> None:
    table(image=[{"bytes": png(), "path": "a.png"}, {"bytes": png(), "path": None}], label=[0, 1]).to_parquet(
        tmp_path / "some.parquet"
    )
    grey = (0.5, 0.5, 0.5)
    how = Preprocessing(
        input_size=(3, 8, 8), mean=grey, std=grey, interpolation="bilinear", crop_pct=1.0, resize="squash"
    )
    assert open_given(tmp_path / "some.parquet", how).names == ("a.png, row 0", "dog, row 1")

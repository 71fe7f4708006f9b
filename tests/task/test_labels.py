"""Labels of a table: numbers in the order of numbers, and what means that there is none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from hubslice.core.errors import DataError, HubsliceWarning
from hubslice.recipe.schema import DataParams
from hubslice.task.labels import class_name, in_order
from hubslice.task.opening import open_tables
from hubslice.task.table import Table
from tests.task.photos import PNG

KINDS = ["int8", "int64", "uint8", "float32", "float64", "string"]


def table(folder: Path, values: list[Any], kind: str) -> Table:
    """A parquet file with these labels."""
    features = datasets.Features(image=datasets.Image(), label=datasets.Value(kind))
    rows = {"image": [{"bytes": PNG, "path": None}] * len(values), "label": values}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(folder / "t.parquet"))
    return open_tables(DataParams(path="t.parquet"), folder)[0]["train"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_class_of_index_n_is_the_label_n(tmp_path: Path, kind: str) -> None:
    values = np.random.default_rng(0).permutation(np.arange(36) % 12)
    stored = [str(value) for value in values] if kind == "string" else values.tolist()
    found = table(tmp_path, stored, kind)
    assert found.labels == tuple(map(str, range(12)))
    assert np.array_equal(found.targets(), values)


def test_truths_are_classes(tmp_path: Path) -> None:
    found = table(tmp_path, [True, False] * 4, "bool")
    assert found.labels == ("False", "True")
    assert found.targets().tolist() == [1, 0] * 4


def test_categories_of_pandas_are_classes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"image": [PNG] * 4, "label": pd.Categorical(["b", "a", "b", "c"])})
    frame.to_parquet(tmp_path / "t.parquet")
    found = open_tables(DataParams(path="t.parquet"), tmp_path)[0]["train"]
    assert [found.labels[target] for target in found.targets()] == ["b", "a", "b", "c"]


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        *(("float64", math.nan), ("float64", None), ("float64", -1.0), ("float32", math.inf)),
        *(
            ("int64", -1),
            ("int64", -100),
            ("int64", None),
            ("string", ""),
            ("string", " "),
            ("string", None),
            ("bool", None),
        ),
    ],
)
def test_missing_labels_are_refused_with_their_rows(tmp_path: Path, kind: str, missing: object) -> None:
    given: list[object] = {"string": ["a", "b"], "bool": [True, False]}.get(kind, [0, 1])
    found = table(tmp_path, [*given, missing] * 7, kind)
    assert len(found.labels) == 2
    with pytest.raises(DataError) as caught:
        found.targets()
    assert caught.value.message.startswith("row 2 of t.parquet has no label in column 'label'")
    assert caught.value.message.endswith("7 of 21 rows have none: 2, 5, 8, 11, 14 and 2 more")


@pytest.mark.parametrize("value", ["nan", "None", "NA", "null", "-1 "])
def test_text_that_looks_like_nothing_is_a_class_and_told(tmp_path: Path, value: str) -> None:
    with pytest.warns(HubsliceWarning, match=f"'{value}' is taken for a class; if it means that there is no label"):
        assert table(tmp_path, [value, "cat"], "string").labels == tuple(sorted([value, "cat"]))


@pytest.mark.parametrize("missing", ["nan", "NaN", "-1", "-1.0", "-100"])
def test_numbers_written_as_text_may_be_missing(tmp_path: Path, missing: str) -> None:
    found = table(tmp_path, ["0.0", "1.0", "10.0", missing], "string")
    assert found.labels == ("0.0", "1.0", "10.0")
    with pytest.raises(DataError, match=rf"row 3 of t.parquet has no label in column 'label' \('{missing}' there"):
        found.targets()


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["10", "9", "1"], ("1", "9", "10")),
        (["0.5", "10", "2"], ("0.5", "2", "10")),
        (["-5", "3", "-10"], ("-10", "-5", "3")),
        (["02", "1", "010"], ("1", "02", "010")),
        (["10", "9", "a"], ("10", "9", "a")),
        (["b", "B", "\xe4", "a"], ("B", "a", "b", "\xe4")),
        (["1e5", "inf", "2"], ("1e5", "2", "inf")),
        ([], ()),
    ],
)
def test_the_order_of_classes(names: list[str], ordered: tuple[str, ...]) -> None:
    assert in_order(names) == ordered


@pytest.mark.parametrize(
    ("value", "name"),
    [(3, "3"), (3.0, "3"), (0.5, "0.5"), (True, "True"), (b"cat", "cat"), ("cat ", "cat "), ("-1", "-1"), (-1, None)],
)
def test_the_name_of_a_class(value: object, name: str | None) -> None:
    assert class_name(value) == name


def test_classes_alike_are_told(tmp_path: Path) -> None:
    with pytest.warns(HubsliceWarning, match="'Cat', 'cat' are 2 classes, whose names differ"):
        assert table(tmp_path, ["cat", "Cat", "dog"], "string").labels == ("Cat", "cat", "dog")


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_paths_are_looked_up_beside_the_table(tmp_path: Path, separator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder / "images").mkdir(parents=True)
    paths = [f"images{separator}{number}.png" for number in range(3)]
    rows = {"image": paths, "label": ["a", "b", "a"]}
    datasets.Dataset.from_dict(rows).to_parquet(str(tmp_path / "there/t.parquet"))
    (tmp_path / "there/images/0.png").write_bytes(PNG)
    (tmp_path / "here/images/1.png").write_bytes(PNG)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.warns(HubsliceWarning, match="1 image file is no rows unless a parquet file there names them"):
        of_folder = open_tables(DataParams(path="there"), tmp_path)[0]["train"]
    for found in (open_tables(DataParams(path="there/t.parquet"), tmp_path)[0]["train"], of_folder):
        assert found.stored(0) == tmp_path / "there/images/0.png"
        assert found.item(1).size == (8, 8)  # in the current folder
        with pytest.raises(DataError) as caught:
            found.item(2)
        assert "the path is relative" in caught.value.message
        assert all(str(tmp_path / folder) in caught.value.message for folder in ("there", "here"))

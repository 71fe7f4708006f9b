"""Texts from every kind of file, and from a data set on the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest

from hubslice.recipe.schema import DataParams
from hubslice.task import texts
from hubslice.task.texts import open_texts

TEXTS = ("profit rose, they said", "NA", "caf\u00e9 \U0001f600", '"quoted" once')


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = [{"label": at, "sentence": text} for at, text in enumerate((*TEXTS[:2], " ", *TEXTS[2:]))]
    Path("a.txt").write_text("\ufeff" + "\r\n".join(line["sentence"] for line in lines) + "\r\n", encoding="utf-8")
    Path("a.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    table = datasets.Dataset.from_list(lines)
    table.to_parquet("a.parquet")
    table.to_csv("a.csv")
    table.to_csv("a.tsv", sep="\t")
    return tmp_path


@pytest.mark.parametrize("ending", ["txt", "csv", "tsv", "jsonl", "parquet"])
def test_texts_are_read_as_they_are_and_blank_ones_left_out(place: Path, ending: str) -> None:
    found = open_texts(f"a.{ending}", None)
    assert found.source == f"a.{ending}"
    assert found.texts == TEXTS
    numbers = (1, 2, 4, 5) if ending == "txt" else (0, 1, 3, 4)
    told = "a.txt:{}" if ending == "txt" else f"a.{ending}[{{}}]"
    assert found.names == tuple(told.format(number) for number in numbers)


def test_a_column_by_name(place: Path) -> None:
    assert open_texts("a.csv", "label").texts == ("0", "1", "2", "3", "4")


def test_the_training_split_of_a_data_set_on_the_hub(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def hub(params: DataParams, local: Path) -> tuple[datasets.DatasetDict, str]:
        asked.append(params.path)
        split = datasets.Dataset.from_dict
        return datasets.DatasetDict(test=split({"text": ["later"]}), train=split({"text": ["first", None]})), "c0ffee"

    monkeypatch.setattr(texts, "from_hub", hub)
    found = open_texts("you/news", None)
    assert (found.names, found.texts, asked) == (("news[0]",), ("first",), ["you/news"])

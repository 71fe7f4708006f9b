"""What libraries say in several lines is told on one, and no escaped line end stands in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hubslice.artefacts.predictions import Predictions
from hubslice.card.frontmatter import parse_head
from hubslice.core.errors import HubsliceError
from hubslice.core.foreign_errors import first_line, message_of
from hubslice.task.texts import open_texts
from hubslice.tracing.traceable import GraphFile


def head(_: Path) -> None:
    parse_head("a: [1\nb: 2\n")


def json_lines(folder: Path) -> None:
    (folder / "texts.jsonl").write_text('{"text": "a"}\n{"text": \n')
    open_texts(str(folder / "texts.jsonl"), None)


def comma_separated(folder: Path) -> None:
    (folder / "texts.csv").write_text("text\na\nb,c,d\n")
    open_texts(str(folder / "texts.csv"), None)


def graph(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"\x08\x07\x3a\x00")
    GraphFile.open(folder / "model.onnx")


def predictions(folder: Path) -> None:
    (folder / "predictions.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0nothing of JSON  ")
    Predictions.load(folder / "predictions.safetensors")


@pytest.mark.parametrize("fails", [head, json_lines, comma_separated, graph, predictions])
def test_one_line(fails: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    with pytest.raises(HubsliceError) as caught:
        fails(tmp_path)
    assert "\\n" not in caught.value.message
    assert "\n" not in caught.value.message


def test_of_a_head_that_is_not_yaml_the_place_is_told() -> None:
    with pytest.raises(HubsliceError, match=r"line 1, column 4.*line 2, column 2"):
        parse_head("a: [1\nb: 2\n")


def test_long_messages_are_cut_and_empty_ones_are_told_by_their_type() -> None:
    assert (message_of(ValueError(" \n ")), first_line(ValueError())) == ("ValueError", "no message")
    assert len(message_of(ValueError("x" * 5000))) == 500
    assert (message_of(ValueError("a\n b")), first_line(ValueError("a \n b"))) == ("a b", "a")

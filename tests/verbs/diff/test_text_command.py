"""`hubslice diff` from two text classifiers to a folder of evidence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import hubslice as package
from hubslice.artefacts.deviation import Deviations, Edits
from tests.deviation.sentences import (
    COUNTED,
    LONGEST,
    MOODS,
    SADDER,
    sentences,
    write_bert,
    write_config,
    write_counter,
    write_tokenizer,
)
from tests.deviation.test_texts import slow_distance
from tests.interrupting import Interrupting
from tests.terminal.conftest import Hubslice, hubslice

__all__ = ["hubslice"]

pytestmark = pytest.mark.slow  # every test is quick, all of them together are not

SEARCH = ("--inputs", "in.txt", "--budget", "60", "--max-edits", "5")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("diff")
    write_tokenizer(place / "graphs")
    write_config(place / "graphs")
    write_counter(place / "graphs/a.onnx")
    write_counter(place / "b.onnx", SADDER)
    (place / "in.txt").write_text("\n".join(sentences(10, seed=4)) + "\n")
    return place


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def probabilities(place: Path, texts: list[str], table: np.ndarray) -> np.ndarray:
    tokenizer = AutoTokenizer.from_pretrained(place / "graphs")
    logits = np.stack([table[tokenizer(text)["input_ids"]].sum(axis=0) for text in texts])
    shares: np.ndarray = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return shares


def test_what_is_written_is_true(place: Path, hubslice: Hubslice) -> None:
    finished = hubslice("diff", "graphs/a.onnx", "b.onnx", *SEARCH, "--json", "--out", "all")
    assert (finished.code, finished.stderr) == (0, "")
    told = Deviations.model_validate_json(finished.stdout)
    assert told == Deviations.load(place / "all/deviations.json")
    assert sorted(path.name for path in (place / "all").iterdir()) == list(told.files)
    assert told.files == ("deviations.json", "gallery.html", "triggers.jsonl")
    seeds = sentences(10, seed=4)
    assert [entry.name for entry in told.results] == [f"in.txt:{line}" for line in range(1, 11)]
    differ = probabilities(place, seeds, COUNTED).argmax(1) != probabilities(place, seeds, SADDER).argmax(1)
    assert [entry.state == "disagreed" for entry in told.results] == differ.tolist()
    found = [entry for entry in told.results if entry.state == "found"]
    assert (told.found.hits, told.found.total) == (len(found), 10 - int(differ.sum()))
    assert len(found) >= 3
    lines = [json.loads(line) for line in (place / "all/triggers.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == [entry.name for entry in found]
    page = (place / "all/gallery.html").read_text()
    for side, table in (("a", COUNTED), ("b", SADDER)):
        expected = probabilities(place, [line["trigger"] for line in lines], table)
        stored = [[line[side][label] for label in MOODS] for line in lines]
        np.testing.assert_allclose(stored, expected, atol=1e-5)
    for entry, line in zip(found, lines, strict=True):
        assert line["seed"] == seeds[int(entry.name.removeprefix("in.txt:")) - 1]
        assert isinstance(entry.change, Edits)
        assert entry.after is not None
        assert 0 < entry.change.characters == slow_distance(line["seed"], line["trigger"]) <= 5
        assert entry.change.words
        assert entry.after.a.label == max(line["a"], key=line["a"].get) != entry.after.b.label
        assert f"<td>{entry.name}<br>" in page
    assert page.count("<ins>") + page.count("<del>") > len(found)
    assert sum(use.sent for use in told.operators) == sum(entry.queries for entry in told.results) == told.queries
    assert (told.a.tokens, told.a.input_size, told.a.described, told.b.described) == (LONGEST, None, True, False)


def test_for_people_and_for_gates(place: Path, hubslice: Hubslice) -> None:
    long = "a" * (LONGEST + 9)
    (place / "long.txt").write_text("\n".join([*sentences(6, seed=4), "", long]))
    search = ("--inputs", "long.txt", "--budget", "60", "--out", "told")
    shown = hubslice("diff", "graphs/a.onnx", "b.onnx", *search)
    told = " ".join(shown.stdout.split())
    assert shown.code == 0
    assert "1 of 7 texts are longer than 48 tokens; the rest is not read" in told
    assert "two neighbouring words swapped" in told
    assert "characters changed: " in told
    assert "b.onnx gives logits; their softmax was taken" in told
    gated = hubslice("diff", "graphs/a.onnx", "b.onnx", *search, "--gate", "0.1")
    assert gated.code == 1
    assert "seeds on which graphs/a.onnx and b.onnx agree have a trigger" in gated.stderr
    assert "look at told/gallery.html" in gated.stderr


def test_markup_in_texts_is_shown_and_not_obeyed(place: Path) -> None:
    (place / "marked.txt").write_text("\n".join(f"<script>{text}</script> & more" for text in sentences(5, seed=4)))
    found = package.diff("graphs/a.onnx", "b.onnx", "marked.txt", budget=80, out=Path("marked"))
    assert found.found.hits
    page = (place / "marked/gallery.html").read_text()
    assert "<script" not in page
    assert "&amp;" in page


def test_folders_answer_as_stock_code_does(place: Path) -> None:
    """Each with its own tokenizer; the second one knows capitals, so that both read other tokens."""
    write_bert(place / "one")
    write_bert(place / "two", noise=0.03, lower=False)
    found = package.diff("one", "two", "in.txt", budget=40, minimise=True, out=Path("folders"))
    assert (found.a.kind, found.a.outputs) == ("folder", "logits")
    assert found.found.hits + found.disagreed.hits
    seeds = sentences(10, seed=4)
    for name, side in (("one", "a"), ("two", "b")):
        tokenizer, model = AutoTokenizer.from_pretrained(name), AutoModelForSequenceClassification.from_pretrained(name)
        for entry, seed in zip(found.results, seeds, strict=True):
            with torch.inference_mode():
                shares = model(**tokenizer(seed, return_tensors="pt")).logits.softmax(1)[0]
            answer = getattr(entry.before, side)
            assert answer.label == MOODS[int(shares.argmax())]
            assert answer.probability == pytest.approx(float(shares.max()), abs=1e-5)


def test_a_graph_borrows_tokenizer_and_labels_of_a_folder(place: Path) -> None:
    write_bert(place / "lender", labels=MOODS)
    (place / "bare").mkdir()
    write_counter(place / "bare/bare.onnx", softmax=True)
    write_counter(place / "bare/fixed.onnx", SADDER, length=LONGEST - 8)
    mixed = package.diff("lender", "bare/bare.onnx", "in.txt", budget=5, limit=4, out=Path("lent"))
    assert (mixed.b.outputs, mixed.b.described, mixed.b.tokens) == ("probabilities", False, LONGEST)
    fixed = package.diff("graphs/a.onnx", "bare/fixed.onnx", "in.txt", budget=20, out=Path("fixed"))
    free = package.diff("graphs/a.onnx", "b.onnx", "in.txt", budget=20, out=Path("free"))
    assert fixed.b.tokens == LONGEST - 8
    assert [entry.queries for entry in fixed.results] == [entry.queries for entry in free.results]
    assert [entry.change for entry in fixed.results] == [entry.change for entry in free.results]


def test_a_quantised_graph_and_the_batch(place: Path) -> None:
    """A dynamically quantised graph has one scale for all that it is given; what is found does not depend on it."""
    quantize_dynamic(place / "graphs/a.onnx", place / "int8.onnx", weight_type=QuantType.QInt8)
    one, two = (
        package.diff("graphs/a.onnx", "int8.onnx", "in.txt", budget=60, batch=batch, out=Path("int8"))
        for batch in (1, 7)
    )
    left_out = {"seconds"}
    assert [entry.model_dump(exclude=left_out) for entry in one.results] == [
        entry.model_dump(exclude=left_out) for entry in two.results
    ]
    assert one.found.hits + one.disagreed.hits


def test_an_interrupted_search_goes_on_and_ends_alike(place: Path) -> None:
    search = {"budget": 40, "batch": 3, "minimise": True}
    whole = package.diff("graphs/a.onnx", "b.onnx", "in.txt", out=Path("whole"), **search)
    with pytest.raises(KeyboardInterrupt):
        package.diff("graphs/a.onnx", "b.onnx", "in.txt", out=Path("cut"), reporter=Interrupting("Search", 4), **search)
    kept = len(list(place.glob(".cut.unfinished/*.safetensors")))
    assert kept >= 4
    second = Interrupting("Search", None)
    resumed = package.diff("graphs/a.onnx", "b.onnx", "in.txt", out=Path("cut"), reporter=second, **search)
    assert second.ticks[0] == kept
    left_out = {"seconds"}
    assert [entry.model_dump(exclude=left_out) for entry in resumed.results] == [
        entry.model_dump(exclude=left_out) for entry in whole.results
    ]
    assert (place / "cut/triggers.jsonl").read_bytes() == (place / "whole/triggers.jsonl").read_bytes()
    assert not (place / ".cut.unfinished").exists()

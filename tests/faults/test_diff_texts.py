"""What `hubslice diff` refuses of text classifiers and texts: told with the cause, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubslice.artefacts.deviation import Deviations
from tests.deviation.graphs import write_graph
from tests.deviation.sentences import (
    COUNTED,
    SADDER,
    VOCABULARY,
    sentences,
    write_bert,
    write_config,
    write_counter,
    write_tokenizer,
)
from tests.faults.conftest import Refused

RARE = "kv"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classifiers that fit together and such that do not, and texts good and bad; made once and copied."""
    place = tmp_path_factory.mktemp("texts")
    write_bert(place / "model")
    write_bert(place / "french", labels=("gai", "triste", "calme"))
    write_bert(place / "score", labels=("score",))
    write_bert(place / "mute", tokenizer=False)
    write_bert(place / "torn")
    (place / "torn/tokenizer.json").write_text("{")
    write_bert(place / "coded")
    coded = json.loads((place / "coded/tokenizer_config.json").read_text())
    coded["auto_map"] = {"AutoTokenizer": ["theirs.Theirs", None]}
    (place / "coded/tokenizer_config.json").write_text(json.dumps(coded))
    (place / "alone").mkdir()
    write_counter(place / "alone/a.onnx")
    write_counter(place / "alone/nan.onnx", np.full_like(COUNTED, np.nan))
    write_counter(place / "alone/two.onnx", COUNTED[:, :2])
    write_counter(place / "alone/small.onnx", COUNTED[:6])
    rare = SADDER.copy()
    rare[[VOCABULARY.index(f"##{letter}") for letter in RARE]] = np.nan  # fails on mutants with these within a word
    write_counter(place / "alone/rare.onnx", rare)
    without = str.maketrans(dict.fromkeys(RARE, "x"))
    (place / "plain.txt").write_text("\n".join(sentences(16, seed=5)).translate(without))
    (place / "unnamed").mkdir()
    write_tokenizer(place / "unnamed")
    write_counter(place / "unnamed/a.onnx")
    write_tokenizer(place / "named")
    write_config(place / "named")
    write_counter(place / "named/b.onnx", SADDER)
    write_graph(place / "images.onnx")
    np.save(place / "in.npy", np.zeros((1, 3, 16, 16), np.float32))
    (place / "photos").mkdir()
    Image.new("RGB", (20, 20)).save(place / "photos/a.png")
    (place / "in.txt").write_text("\n".join(sentences(3)))
    (place / "empty.txt").write_text("")
    (place / "blank.txt").write_text(" \n\t\n\n")
    (place / "latin.txt").write_bytes("caf\u00e9 au lait".encode("latin-1"))
    (place / "latin.csv").write_bytes("text\ncaf\u00e9 au lait\n".encode("latin-1"))
    (place / "other.csv").write_text("headline,label\nprofit rose,0\n")
    (place / "torn.jsonl").write_text('{"text": "whole"}\n{"text": "to')
    (place / "lists.jsonl").write_text('{"text": ["two", "words"]}\n')
    (place / "torn.parquet").write_bytes(b"PAR1 no")
    (place / "notes.md").write_text("one text")
    return place


PAIR = ("./model", "named/b.onnx")
SEEDS = ("-i", "in.txt")
FAULTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "texts against images": (
        ("./model", "images.onnx", *SEEDS),
        ("./model takes texts and images.onnx images", "they cannot be asked about the same inputs"),
    ),
    "images against texts": (
        ("images.onnx", "./model", "-i", "in.npy"),
        ("./model takes texts and images.onnx images",),
    ),
    "other labels": (
        ("./model", "./french", *SEEDS),
        (
            "./model has 3 labels and ./french 3, not the same ones",
            "only ./french has gai, triste, calme",
            "--map order",
        ),
    ),
    "a regression": (("./score", "./score", *SEEDS), ("./score has 1 label: it has no other answer", "regressions")),
    "no tokenizer": (
        ("alone/a.onnx", "./mute", *SEEDS),
        ("neither alone/a.onnx nor ./mute has a tokenizer", "put tokenizer.json and tokenizer_config.json beside"),
    ),
    "no labels": (
        ("alone/a.onnx", "unnamed/a.onnx", *SEEDS),
        ("neither alone/a.onnx nor unnamed/a.onnx says what its classes are called", "config.json"),
    ),
    "a torn tokenizer": (("./model", "./torn", *SEEDS), ("torn: tokenizer.json is not JSON", "mend tokenizer.json")),
    "a tokenizer with code": (("./model", "./coded", *SEEDS), ("tokenizer_config.json asks for code of its own",)),
    "NaN from the start": (
        ("./model", "alone/nan.onnx", *SEEDS),
        ("alone/nan.onnx gives values that are not finite numbers (NaN or infinity)", "make it again"),
    ),
    "fewer outputs than labels": (
        ("./model", "alone/two.onnx", *SEEDS),
        ("alone/two.onnx gives [1, 2] for 1 text, but has 3 labels",),
    ),
    "another vocabulary": (
        ("./model", "alone/small.onnx", *SEEDS),
        ("alone/small.onnx failed on a text of 5 tokens", "is its tokenizer the one that it was trained with?"),
    ),
    "a bound of images": (
        (*PAIR, *SEEDS, "--max-linf", "16/255"),
        ("--max-linf is for images, and the models take texts", "bounded by --max-edits"),
    ),
    "a likeness of images": ((*PAIR, *SEEDS, "--min-ssim", "0.9"), ("--min-ssim is for images",)),
    "a size of images": ((*PAIR, *SEEDS, "--input-size", "32"), ("--input-size is for images",)),
    "texts scaled": ((*PAIR, *SEEDS, "--resize"), ("--resize is for images",)),
    "the authors' code": ((*PAIR, *SEEDS, "--method", "released"), ("--method released is for images",)),
    "a bound of texts": (
        ("images.onnx", "images.onnx", "-i", "in.npy", "--max-edits", "5"),
        ("--max-edits is for texts, and the models take images", "bounded by --max-linf or --min-ssim"),
    ),
    "a column of texts": (
        ("images.onnx", "images.onnx", "-i", "in.npy", "--column", "text"),
        ("--column is for texts",),
    ),
    "no edits": ((*PAIR, *SEEDS, "--max-edits", "0"), ("--max-edits 0", "greater than or equal to 1")),
    "an empty file": ((*PAIR, "-i", "empty.txt"), ("empty.txt holds no texts", "one text a line")),
    "blank lines": ((*PAIR, "-i", "blank.txt"), ("blank.txt holds no texts",)),
    "another encoding": (
        (*PAIR, "-i", "latin.txt"),
        ("latin.txt is not UTF-8: byte 3 is 0xe9", "iconv -f LATIN1 -t UTF-8 latin.txt"),
    ),
    "a table in another encoding": (
        (*PAIR, "-i", "latin.csv"),
        ("latin.csv cannot be read as csv", "tables are UTF-8"),
    ),
    "nothing there": ((*PAIR, "-i", "nowhere.txt"), ("there is nothing at nowhere.txt",)),
    "no table there": ((*PAIR, "-i", "nowhere.csv"), ("nowhere.csv is not there; the models take texts",)),
    "images as texts": ((*PAIR, "-i", "photos"), ("photos is a folder; the models take texts", ".jsonl")),
    "another kind of file": ((*PAIR, "-i", "notes.md"), ("notes.md is no file of texts",)),
    "no such column": (
        (*PAIR, "-i", "other.csv"),
        ("other.csv has neither a column text nor sentence; its columns are headline, label", "--column NAME"),
    ),
    "a column mistyped": (
        (*PAIR, "-i", "other.csv", "--column", "headlnie"),
        ("no column 'headlnie'; did you mean 'headline'?",),
    ),
    "a column of no table": ((*PAIR, *SEEDS, "--column", "text"), ("in.txt has no columns",)),
    "torn lines": ((*PAIR, "-i", "torn.jsonl"), ("torn.jsonl cannot be read as json",)),
    "no parquet": ((*PAIR, "-i", "torn.parquet"), ("torn.parquet cannot be read as parquet",)),
    "lists": ((*PAIR, "-i", "lists.jsonl"), ("row 0 of lists.jsonl holds no text", "--column")),
}


@pytest.mark.parametrize(("arguments", "says"), FAULTS.values(), ids=FAULTS)
def test_what_is_refused(place: Path, refused: Refused, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
    before = sorted(place.rglob("*"))
    refused("diff", *arguments, code=2, says=says)
    assert sorted(place.rglob("*")) == before


def test_a_model_that_fails_midway(place: Path, refused: Refused) -> None:
    """What was found is in the folder; the same command goes on with the rest."""
    search = ("diff", "unnamed/a.onnx", "alone/rare.onnx", "-i", "plain.txt", "--budget", "60", "--batch", "2")
    write_config(place / "unnamed")
    says = ("alone/rare.onnx gives values that are not finite", "of 16 seeds were done, with", "they are kept in found")
    refused(*search, "--out", "found", code=2, says=says)
    facts = Deviations.load(place / "found/deviations.json")
    assert facts.stopped is not None
    assert "alone/rare.onnx gives values" in facts.stopped
    assert 0 < len(facts.results) < 16 == facts.seeds
    lines = [json.loads(line) for line in (place / "found/triggers.jsonl").read_text().splitlines()]
    assert len(lines) == facts.found.hits > 0
    assert all(max(line["a"], key=line["a"].get) != max(line["b"], key=line["b"].get) for line in lines)
    assert len(list(place.glob(".found.unfinished/*.safetensors"))) == len(facts.results)
    refused(*search, "--out", "found", code=2, says=("of 16 seeds were done",))
    again = Deviations.load(place / "found/deviations.json")
    assert [entry for entry in again.results if entry.name in {kept.name for kept in facts.results}] == [*facts.results]

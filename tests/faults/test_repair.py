"""What `hubslice diff --repair` refuses, before it searches where it can; nothing is lost or half-written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import hubslice as package
from hubslice.artefacts.deviation import Deviations
from hubslice.core.errors import HubsliceError, ModelError
from hubslice.models.folder import load_model
from tests.deviation.graphs import ALIKE, GREENER, write_graph
from tests.faults.conftest import Refused
from tests.verbs.diff.repairable import write_pair

pytestmark = pytest.mark.slow  # every test is quick, all of them together are not


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models with graphs beside them, labels that fit in part, and folders in use; made once and copied."""
    place = write_pair(tmp_path_factory.mktemp("repair"))
    write_graph(place / "b.onnx", GREENER)
    (place / "b/int8").mkdir()
    write_graph(place / "b/int8/model.onnx", GREENER)
    finer = np.concatenate([ALIKE, ALIKE[:1]])
    for name, labels in (("finer", ("rouge", "vert", "bleu", "rose")), ("more", ("red", "green", "blue", "grey"))):
        write_graph(place / f"{name}.onnx", finer, labels=labels)
        model = load_model(place / "a")
        model.reset_classifier(labels, seed=0)
        model.save(place / name)
    (place / "map.json").write_text(json.dumps({"rouge": "red", "vert": "green", "bleu": "blue", "rose": "red"}))
    (place / "busy").mkdir()
    (place / "busy/thesis.tex").write_text("years of work")
    return place


SEEDS = ("-i", "in.npy", "--budget", "60", "--max-linf", "51/255")
FAULTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "a graph": (
        ("a", "b.onnx", *SEEDS, "--repair", "r"),
        (
            "b.onnx is an ONNX graph, whose weights cannot be trained",
            "repair that model and convert it again: hubslice diff a MODEL",
            "hubslice convert r --to onnx",
        ),
    ),
    "the graph of a model": (
        ("a", "b/int8/model.onnx", *SEEDS, "--repair", "r"),
        (
            "b/int8/model.onnx is an ONNX graph, whose weights cannot be trained",
            "hubslice diff a b --inputs in.npy --repair r",
            "hubslice convert r --to int8",
        ),
    ),
    "a graph of the first model": (
        ("b", "b/int8/model.onnx", *SEEDS, "--repair", "r"),
        (
            "b, of which it was made, has nothing to learn from its own answers",
            "hubslice convert b --to int8 with more",
        ),
    ),
    "two labels for one": (
        ("a", "finer", *SEEDS, "--repair", "r", "--map", "map.json"),
        ("'rouge' and 'rose' of finer stand for one label of a", "no two to the same"),
    ),
    "a label left out": (
        ("a", "more", *SEEDS, "--repair", "r", "--map", "common"),
        ("'grey' of more stands for no label of a", "map every label"),
    ),
    "somebody's folder": (
        ("a", "b", *SEEDS, "--repair", "busy"),
        ("busy holds thesis.tex", "nothing there is replaced"),
    ),
    "the second model's own folder": (
        ("a", "b", *SEEDS, "--repair", "b"),
        ("b holds int8",),
    ),
    "the first model's folder": (
        ("a", "b", *SEEDS, "--repair", "./a"),
        ("the repaired model in a would replace one of the two models", "--repair another folder"),
    ),
    "above the results": (
        ("a", "b", *SEEDS, "--repair", "r", "--out", "r/found"),
        ("in r would replace the search's results, r/found,", "--repair another folder"),
    ),
    "all to train on": (
        ("a", "b", *SEEDS, "--repair", "r", "--repair-share", "1"),
        ("--repair-share 1", "less than 1"),
    ),
    "no epochs": (("a", "b", *SEEDS, "--repair", "r", "--repair-epochs", "0"), ("--repair-epochs 0", "greater than")),
    "no rate": (("a", "b", *SEEDS, "--repair", "r", "--repair-lr", "0"), ("--repair-lr 0", "greater than 0")),
    "options without a repair": (
        ("a", "b", *SEEDS, "--repair-epochs", "3"),
        ("--repair-epochs goes with --repair DIR",),
    ),
}


@pytest.mark.parametrize(("arguments", "says"), FAULTS.values(), ids=FAULTS)
def test_what_is_refused(place: Path, refused: Refused, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
    before = sorted(place.rglob("*"))
    refused("diff", *arguments, code=2, says=says)
    assert sorted(place.rglob("*")) == before


def test_a_model_of_text(place: Path, refused: Refused) -> None:
    import transformers

    config = transformers.BertConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=3
    )
    transformers.BertForSequenceClassification(config).save_pretrained(place / "text")
    refused("diff", "a", "text", *SEEDS, "--repair", "r", code=2, says=("text takes no images; --repair is for",))


def test_too_few_triggers_to_hold_some_out(place: Path, refused: Refused) -> None:
    """The search is kept, and the next one with more seeds takes it up."""
    images = np.load(place / "in.npy")
    np.save(place / "few.npy", images[[0, 0, 1]])  # the first is there twice
    said = ("have triggers: too few to train on some and hold others out", "give more seeds", "searched is kept")
    refused("diff", "a", "b", "-i", "few.npy", *SEEDS[2:], "--repair", "r", "--out", "o", code=2, says=said)
    assert Deviations.load(place / "o/deviations.json").repair is None
    assert not (place / "r").exists()
    assert len(list(place.glob(".o.unfinished/*.safetensors"))) == 2


def test_training_that_diverges(place: Path, refused: Refused) -> None:
    said = ("training with --repair-lr 1e30 ended in values that are not finite; nothing was written", "3e-4")
    refused("diff", "a", "b", *SEEDS, "--repair", "r", "--repair-lr", "1e30", "--out", "o", code=2, says=said)
    assert not (place / "r").exists()
    assert not list(place.glob(".r*"))


def test_an_earlier_repair_is_replaced_whole_or_stays(
    place: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repair that fails, in training or in the new search, leaves what an earlier one wrote."""
    package.diff("a", "b", "in.npy", budget=20, max_linf=0.2, limit=16, out=Path("o"), repair="r")
    before = {path.name: path.read_bytes() for path in (place / "r").iterdir()}

    def out_of_memory(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def failing(*_: object) -> tuple[dict[int, object], HubsliceError]:
        return {}, ModelError("a failed on images", hint="make it again")

    for name, broken, says in (
        ("torch.nn.functional.kl_div", out_of_memory, ("in training with 32 samples a step", "--device cpu")),
        ("hubslice.verbs.diff.repair.search_seeds", failing, ("a failed on images", "make it again")),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(name, broken)
            refused("diff", "a", "b", *SEEDS, "--repair", "r", "--out", "o", code=2, says=says)
        assert {path.name: path.read_bytes() for path in (place / "r").iterdir()} == before
        assert not list(place.glob(".r*"))
    package.diff("a", "b", "in.npy", budget=30, max_linf=0.2, out=Path("o"), repair="r")
    assert {path.name: path.read_bytes() for path in (place / "r").iterdir()} != before

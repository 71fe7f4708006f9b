"""`hubslice diff` from two models to a folder of evidence."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

import hubslice as package
from hubslice.artefacts.deviation import Deviations
from tests.deviation.graphs import ALIKE, COLOURS, GREENER, SIDE, mixed, write_graph
from tests.interrupting import Interrupting
from tests.terminal.conftest import Hubslice, hubslice
from tests.verbs.detect.small import write_model

__all__ = ["hubslice"]

SEARCH = ("--inputs", "in.npy", "--budget", "60")
STOPPED = partial(Interrupting, "Search", 5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("diff")
    write_graph(place / "a.onnx")
    write_graph(place / "b.onnx", GREENER)
    write_model(place / "model")
    np.save(place / "in.npy", mixed(14, seed=2))
    return place


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def probabilities(images: np.ndarray, weight: np.ndarray) -> np.ndarray:
    logits = (images / 255).mean(axis=(2, 3)) @ weight.T
    shares: np.ndarray = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return shares


def test_what_is_written_is_true(place: Path, hubslice: Hubslice) -> None:
    finished = hubslice("diff", "a.onnx", "b.onnx", *SEARCH, "--json", "--out", "all")
    assert (finished.code, finished.stderr) == (0, "")
    told = Deviations.model_validate_json(finished.stdout)
    assert told == Deviations.load(place / "all/deviations.json")
    assert sorted(path.name for path in (place / "all").iterdir()) == list(told.files)
    assert not list(place.glob(".*"))  # neither drafts nor what was kept for resuming
    seeds = mixed(14, seed=2) * 255
    differ = probabilities(seeds, ALIKE).argmax(1) != probabilities(seeds, GREENER).argmax(1)
    assert [entry.state == "disagreed" for entry in told.results] == differ.tolist()
    assert (told.disagreed.hits, told.disagreed.total) == (int(differ.sum()), 14)
    found = [entry for entry in told.results if entry.state == "found"]
    assert (told.found.hits, told.found.total) == (len(found), 14 - int(differ.sum()))
    assert len(found) >= 3
    stored = load_file(place / "all/triggers.safetensors")
    for name, weight in (("a", ALIKE), ("b", GREENER)):
        np.testing.assert_allclose(stored[name], probabilities(stored["triggers"], weight), atol=1e-5)
    for at, entry in enumerate(found):
        row = int(entry.name.removeprefix("in.npy[").removesuffix("]"))
        np.testing.assert_array_equal(stored["seeds"][at], np.rint(seeds[row]))
        change = np.abs(stored["triggers"][at].astype(int) - stored["seeds"][at])
        assert entry.change is not None
        assert entry.after is not None
        assert entry.change.linf == change.max()
        assert entry.after.a.label == COLOURS[int(stored["a"][at].argmax())] != entry.after.b.label
        assert entry.after.a.probability == pytest.approx(stored["a"][at].max(), abs=1e-5)
        assert 0 < entry.queries <= 60
    assert sum(use.sent for use in told.operators) == sum(entry.queries for entry in told.results) == told.queries
    assert sum(use.triggers for use in told.operators) == len(found)
    with Image.open(place / "all/gallery.png") as gallery:
        assert gallery.size[1] > 300


@pytest.mark.slow
def test_the_batch_does_not_matter_and_the_seed_does(place: Path) -> None:
    one, two, other = (
        package.diff("a.onnx", "b.onnx", "in.npy", budget=40, minimise=True, batch=batch, seed=seed, out=Path(name))
        for batch, seed, name in ((3, 0, "one"), (50, 0, "two"), (50, 1, "other"))
    )
    results = [
        [(entry.name, entry.state, entry.queries, entry.change) for entry in found.results]
        for found in (one, two, other)
    ]
    assert results[0] == results[1] != results[2]
    tensors = [load_file(f"{name}/triggers.safetensors") for name in ("one", "two")]
    for name, array in tensors[0].items():
        np.testing.assert_array_equal(array, tensors[1][name])


def test_bounds_and_options_reach_the_search(place: Path, hubslice: Hubslice) -> None:
    near = ("--max-linf", "24/255", "--fitness", "difference", "--operators", "adaptive", "--limit", "9", "--quiet")
    assert hubslice("diff", "a.onnx", "b.onnx", *SEARCH, *near, "--out", "near").stdout == "near\n"
    found = Deviations.load(Path("near/deviations.json"))
    assert (found.seeds, len(found.results), found.search.levels) == (9, 9, 24)
    assert (found.search.fitness, found.search.operators) == ("difference", "adaptive")
    changes = [entry.change.linf for entry in found.results if entry.change is not None]
    assert changes
    assert max(changes) <= 24


@pytest.mark.slow
def test_for_people_and_for_gates(place: Path, hubslice: Hubslice) -> None:
    shown = hubslice("diff", "a.onnx", "b.onnx", *SEARCH, "--out", "told", "--gate", "1.0")
    assert shown.code == 0
    told = " ".join(shown.stdout.split())
    assert "a.onnx gives logits; their softmax was taken" in told
    assert "seeds they disagree as they are" in told
    assert "salt and pepper" in told
    assert "told: deviations.json, gallery.png, triggers.safetensors" in told
    gated = hubslice("diff", "a.onnx", "b.onnx", *SEARCH, "--out", "told", "--gate", "0.1", "--json")
    assert gated.code == 1
    found = json.loads(gated.stdout)["found"]
    error = json.loads(gated.stderr)
    assert (
        f"{found['hits']} of {found['total']} seeds on which a.onnx and b.onnx agree have a trigger" in error["error"]
    )
    assert error["hint"] == "look at told/gallery.png"


def test_a_folder_beside_a_graph_that_says_nothing_about_itself(place: Path) -> None:
    """A graph from elsewhere is fed as the other model is; probabilities are known as such."""
    write_graph(place / "bare.onnx", GREENER, softmax=True, described=False)
    found = package.diff("model", "bare.onnx", "in.npy", budget=30, limit=6, out=Path("bare"))
    assert (found.a.kind, found.a.outputs, found.a.described) == ("folder", "logits", True)
    assert (found.b.kind, found.b.outputs, found.b.described) == ("onnx", "probabilities", False)
    assert len(found.results) == 6
    same = package.diff("model", "model", "in.npy", budget=30, limit=6, out=Path("same"))
    assert (same.found.hits, same.disagreed.hits) == (0, 0)
    assert (place / "same/gallery.png").stat().st_size > 0


def test_models_of_other_sizes_and_labels(place: Path) -> None:
    order = (2, 0, 1)
    write_graph(place / "turned.onnx", ALIKE[list(order)], labels=tuple(COLOURS[at] for at in order))
    turned = package.diff("a.onnx", "turned.onnx", "in.npy", budget=5, out=Path("turned"))
    assert (turned.disagreed.hits, turned.found.hits) == (0, 0)
    assert turned.labels == "the same labels in another order"

    write_graph(place / "large.onnx", ALIKE, side=2 * SIDE)
    large = package.diff("a.onnx", "large.onnx", "in.npy", budget=5, resize=True, out=Path("large"))
    assert large.disagreed.hits <= 1  # scaling keeps mean colours, but for the last digits
    assert large.b.input_size == (3, 32, 32)

    finer = np.concatenate([ALIKE, ALIKE[:1]])  # two reds: of two equal logits, each has half of the probability
    write_graph(place / "finer.onnx", finer, labels=("rouge", "vert", "bleu", "rose"))
    names = {"rouge": "red", "vert": "green", "bleu": "blue", "rose": "red"}
    mapped = package.diff("a.onnx", "finer.onnx", "in.npy", budget=1, label_map=names, out=Path("mapped"))
    for entry in mapped.results:
        shares = {answer.label: answer.probability for answer in (entry.before.a,)}
        if entry.before.a.label == entry.before.b.label == "red":
            odds = shares["red"] / (1 - shares["red"])
            assert entry.before.b.probability == pytest.approx(2 * odds / (1 + 2 * odds), abs=1e-4)
    assert any(entry.before.b.label == "red" for entry in mapped.results)
    common = package.diff("a.onnx", "finer.onnx", "in.npy", budget=1, label_map={"vert": "green", "bleu": "blue"})
    assert common.labels == "2 labels in common; probabilities are of these alone"
    assert {entry.before.a.label for entry in common.results} == {"green", "blue"}
    (place / "map.json").write_text(json.dumps(names))
    again = package.diff("a.onnx", "finer.onnx", "in.npy", budget=1, label_map="map.json", out=Path("again"))
    assert [entry.before for entry in again.results] == [entry.before for entry in mapped.results]


def test_grey_images(place: Path) -> None:
    for name, factor in (("grey", 1.0), ("darker", 0.9)):
        weight = np.array([[8.0 * factor], [2.0]], np.float32)
        write_graph(place / f"{name}.onnx", weight, labels=("light", "dark"))
    np.save(place / "grey.npy", mixed(6)[:, :1])
    found = package.diff("grey.onnx", "darker.onnx", "grey.npy", budget=10, out=Path("grey"))
    assert (found.a.input_size, len(found.results)) == ((1, SIDE, SIDE), 6)
    assert (found.disagreed.hits, found.found.total) == (0, 6)


def test_graphs_of_one_batch_size(place: Path) -> None:
    write_graph(place / "fours.onnx", GREENER, batch=4)
    fours = package.diff("a.onnx", "fours.onnx", "in.npy", budget=20, batch=6, out=Path("fours"))
    free = package.diff("a.onnx", "b.onnx", "in.npy", budget=20, batch=6, out=Path("free"))
    assert [(entry.state, entry.queries) for entry in fours.results] == [
        (entry.state, entry.queries) for entry in free.results
    ]


def test_an_interrupted_search_goes_on_and_ends_alike(place: Path) -> None:
    whole = package.diff("a.onnx", "b.onnx", "in.npy", budget=50, batch=4, out=Path("whole"))
    with pytest.raises(KeyboardInterrupt):
        package.diff("a.onnx", "b.onnx", "in.npy", budget=50, batch=4, out=Path("cut"), reporter=STOPPED())
    kept = list(place.glob(".cut.unfinished/*.safetensors"))
    assert len(kept) >= 5
    assert not (place / "cut").exists()
    kept[0].write_bytes(kept[0].read_bytes()[:-9])  # one was damaged: it is searched again
    second = Interrupting("Search", None)
    resumed = package.diff("a.onnx", "b.onnx", "in.npy", budget=50, batch=4, out=Path("cut"), reporter=second)
    assert second.ticks[0] == len(kept) - 1
    assert sum(second.ticks) == 14
    left_out = {"seconds"}
    assert [entry.model_dump(exclude=left_out) for entry in resumed.results] == [
        entry.model_dump(exclude=left_out) for entry in whole.results
    ]
    assert resumed.operators == whole.operators
    assert (place / "cut/triggers.safetensors").read_bytes() == (place / "whole/triggers.safetensors").read_bytes()
    assert not (place / ".cut.unfinished").exists()


def test_another_search_does_not_take_what_the_interrupted_one_kept(place: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            package.diff("a.onnx", "b.onnx", "in.npy", budget=50, batch=4, out=Path("mix"), reporter=STOPPED())
    other = Interrupting("Search", None)
    found = package.diff("a.onnx", "b.onnx", "in.npy", budget=30, batch=4, out=Path("mix"), reporter=other)
    assert 14 not in other.ticks
    assert len(other.ticks) == 14
    assert max(entry.queries for entry in found.results) <= 30

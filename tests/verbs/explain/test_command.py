"""`hubslice explain` from the command to the files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubslice as package
from hubslice.artefacts.dynamic_slice import DynamicSlice
from hubslice.artefacts.slice import Slice
from hubslice.graph.deployable import write_onnx
from hubslice.models.folder import load_model
from hubslice.verbs.explain.facts import Explanation
from tests.images import write_parquet
from tests.terminal.conftest import Hubslice, hubslice
from tests.tracing.small import pixels, write_images, write_model

__all__ = ["hubslice"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("small") / "model")


@pytest.fixture(scope="module")
def graph(model: Path) -> Path:
    path = model.parent / "graph" / "model.onnx"
    write_onnx(load_model(model), path)
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "images")
    return tmp_path


def test_a_folder_of_images(place: Path, model: Path, hubslice: Hubslice) -> None:
    finished = hubslice("explain", str(model), "--inputs", "images", "--target", "green", "--json")
    assert (finished.code, finished.stderr) == (0, "")
    facts = json.loads(finished.stdout)
    folder = place / "model-explained"
    assert sorted(path.name for path in folder.iterdir()) == facts["files"]
    assert facts == json.loads(Explanation.load(folder / "explanation.json").model_dump_json())
    assert [entry["name"] for entry in facts["inputs"]] == ["0.png", "1.png", "2.png"]
    assert {entry["target"] for entry in facts["inputs"]} == {"green"}
    assert [layer["name"] for layer in facts["layers"]] == ["features.0", "features.4", "classifier"]

    found = DynamicSlice.load(folder / "slice.safetensors")
    shapes = {name: tuple(p.shape) for name, p in load_model(model).module.named_parameters()}
    assert {name: array.shape for name, array in found.synapses.items()} == {
        name: shape for name, shape in shapes.items() if len(shape) > 1
    }
    assert {name: array.shape for name, array in found.neurons.items()} == {
        "features.0": (3, 6), "features.4": (3, 8), "classifier": (3, 3),
    }  # fmt: skip
    np.testing.assert_array_equal(found.neurons["classifier"], [[0, 1, 0]] * 3)  # +1 at the target
    assert found.inputs["pixel_values"].shape == (3, 3, 32, 32)
    first, second = facts["layers"][0]["decisive"][:2]
    total = found.neurons["features.0"].sum(axis=0)
    assert first["contribution"] == total[first["channel"]]
    assert first["force"] >= second["force"] > 0
    assert all(channel["force"] < 0 for layer in facts["layers"] for channel in layer["opposing"])
    assert any(layer["opposing"] for layer in facts["layers"])
    # A synapse of the last layer speaks for its own neuron alone: one row of the classifier's weights.
    assert not found.synapses["classifier.weight"][[0, 2]].any()
    assert found.synapses["classifier.weight"][1].any()

    page = (folder / "explanation.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 3 * 5
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "://" not in page
    with Image.open(folder / "explanation.png") as drawn:
        assert min(drawn.size) > 500
        assert len(drawn.convert("RGB").getcolors(1 << 24) or []) > 1000


def test_workers_rules_and_profiles(place: Path, graph: Path, hubslice: Hubslice) -> None:
    """The number of workers changes no byte; a stored profile is as good as the data that it was made of."""

    def run(out: str, *options: str) -> bytes:
        finished = hubslice("explain", str(graph), "-i", "images", "--out", out, "--quiet", *options)
        assert finished == (0, f"{out}/explanation.html\n", "")
        return (place / out / "slice.safetensors").read_bytes()

    np.save(place / "data.npy", pixels(10))
    one = run("one", "--data", "data.npy", "--by-class", "--mean", "element", "--workers", "1", "--batch", "1")
    assert run("four", "--data", "data.npy", "--by-class", "--mean", "element", "--workers", "4", "--batch", "1") == one
    stored = DynamicSlice.load(place / "one/slice.safetensors")
    run("again", "--data", "one/means.safetensors", "--batch", "1")
    again = DynamicSlice.load(place / "again/slice.safetensors")
    for name, array in stored.synapses.items():
        np.testing.assert_array_equal(again.synapses[name], array)
    assert stored.about["mean"] == "element means of data.npy"
    assert run("again", "--rule", "released") != one  # and the folder is replaced


def test_what_is_worth_withholding(place: Path, model: Path, hubslice: Hubslice) -> None:
    options = ("--inputs", "images", "--target", "green", "--protect", "0.25", "--public", "--json")
    finished = hubslice("explain", str(model), *options)
    assert (finished.code, finished.stderr) == (0, "")
    facts = json.loads(finished.stdout)
    folder = place / "model-explained"
    assert sorted(path.name for path in folder.iterdir()) == facts["files"]
    kept = Slice.load(folder / "protected.safetensors")
    weights = dict(load_model(model).module.named_parameters())
    shared = dict(load_model(folder / "public").module.named_parameters())
    assert sorted(kept.masks) == ["classifier.weight", "features.0.weight", "features.4.weight"]
    for layer in facts["protected"]["layers"]:
        mask = kept.masks[layer["parameter"]]
        assert layer["withheld"] == np.count_nonzero(~mask) == mask.size - int(0.75 * mask.size)
        given = weights[layer["parameter"]].detach().numpy()
        np.testing.assert_array_equal(shared[layer["parameter"]].detach().numpy(), np.where(mask, given, 0))
        assert layer["contributions"] > 0.25  # more than their share
    # The weights that speak for the target are among them: those of its own row of the classifier.
    assert not kept.masks["classifier.weight"][1].all()


def test_what_somebody_makes_of_the_rest(place: Path, model: Path, hubslice: Hubslice) -> None:
    write_parquet(place / "labelled.parquet", 1500)
    options = ("--inputs", "images", "--target", "green", "--protect", "0.5", "--attack")
    done = hubslice("explain", str(model), *options, "labelled.parquet", "--json")
    facts = json.loads(done.stdout)["protected"]["attack"]
    assert (facts["images"], facts["protected"], facts["data"]) == (1000, ["green"], "labelled.parquet")
    for form in ("whole", "before", "after", "random"):
        assert facts[form]["all"]["total"] == 225
        assert facts[form]["protected"]["total"] == 75
    assert facts["after"]["all"]["hits"] > facts["before"]["all"]["hits"]  # the colours are easily learned again

    write_parquet(place / "few.parquet", 90)
    done = hubslice("explain", str(model), *options, "few.parquet", "--json")
    asked = {"target": "green", "protect": 0.5, "attack": "few.parquet"}
    again = package.explain(model, "images", out=place / "again", **asked)
    assert again.protected is not None
    attack = again.protected.attack
    assert json.loads(attack.model_dump_json()) == json.loads(done.stdout)["protected"]["attack"]
    told = hubslice("explain", str(model), *options, "few.parquet", "--out", "told").stdout
    assert f"retrained for 2 epochs on {attack.images} images of few.parquet" in told
    assert "random weights withheld" in told


def test_a_graph_is_explained_as_its_model_is(place: Path, model: Path, graph: Path) -> None:
    np.save(place / "x.npy", pixels(2))
    package.explain(model, place / "x.npy", out=place / "a", target="2")
    package.explain(graph, place / "x.npy", out=place / "b", target="red")
    ours, theirs = (DynamicSlice.load(place / name / "slice.safetensors") for name in "ab")
    assert sorted(ours.synapses) == ["classifier.weight", "features.0.weight", "features.4.weight"]
    for name, array in ours.neurons.items():
        assert np.mean(array == theirs.neurons[name]) > 0.8  # folded by another tool: rounding may move a choice

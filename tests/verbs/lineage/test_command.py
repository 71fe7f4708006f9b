"""`hubslice lineage` from weights to verdicts, by candidates and by index, on this machine and on the Hub."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import hubslice as package
from hubslice.artefacts.lineage import Lineage
from hubslice.hub.client import Client
from hubslice.models.timm_adapter import TimmModel
from tests.ancestry.small import nameless, rewired, tuned, weights, write
from tests.fake_hub import HubServer
from tests.terminal.conftest import Hubslice, hubslice
from tests.verbs.detect.small import clean

__all__ = ["hubslice"]

WIDE = (3, 96, 256, 512)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        write(tmp_path / "parents" / f"p{seed}", weights(seed))
    write(tmp_path / "child", nameless(tuned(weights(1), 7), 2))
    return tmp_path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub") as server:
        client = Client(endpoint=server.url, cache_dir=tmp_path / "cache")
        monkeypatch.setattr("hubslice.hub.default.connect", lambda: client)
        for seed in range(2):
            server.seed(f"lab/p{seed}", write(tmp_path / "seeds" / str(seed), weights(seed, WIDE)))
        yield server


def test_the_parent_is_named_first(place: Path, hubslice: Hubslice) -> None:
    done = hubslice("lineage", "child", "--candidates", "parents/p0", "parents/p1", "parents/p2", "--json")
    assert (done.code, done.stderr) == (0, "")
    found = Lineage.model_validate_json(done.stdout)
    assert found.parent == "parents/p1"
    assert [other.verdict for other in found.candidates] == ["descendant", "unrelated", "unrelated"]
    assert found.searched == 3
    assert found.bytes_read > 0
    folder = hubslice("lineage", "child", "--candidates", "parents", "--quiet")
    assert folder.stdout == "parents/p1\n"


def test_people_are_shown_a_table_of_candidates_and_of_layers(place: Path, hubslice: Hubslice) -> None:
    done = hubslice("lineage", "child/model.safetensors", "-c", "parents/p0", "-c", "parents/p1")
    head, first, *rest = done.stdout.splitlines()
    assert head.startswith("CANDIDATE\tVERDICT\tSCORE\t")
    assert first.split("\t")[:2] == ["parents/p1", "descendant"]
    assert rest[0].split("\t")[:2] == ["parents/p0", "unrelated"]
    assert sum("in place" in line for line in rest) == 4
    assert "shares its weights with parents/p1, among 2" in rest[-1]


def test_what_is_written(place: Path, hubslice: Hubslice) -> None:
    done = hubslice("lineage", "child", "--candidates", "parents", "--out", "told", "--json")
    assert done.code == 0
    assert sorted(path.name for path in (place / "told").iterdir()) == ["layers.csv", "layers.png", "lineage.json"]
    assert Lineage.load(place / "told/lineage.json") == Lineage.model_validate_json(done.stdout)
    rows = list(csv.DictReader((place / "told/layers.csv").read_text().splitlines()))
    assert {row["candidate"] for row in rows} == {"parents/p0", "parents/p1", "parents/p2"}
    assert (place / "told/layers.png").read_bytes().startswith(b"\x89PNG")
    again = hubslice("lineage", "child", "--candidates", "parents/p0", "--out", "told", "--json")
    assert len(json.loads(again.stdout)["candidates"]) == len(Lineage.load(place / "told/lineage.json").candidates) == 1


def test_an_index_in_place_of_candidates(place: Path, hubslice: Hubslice) -> None:
    made = hubslice("lineage", "index", "parents", "--out", "parents.safetensors", "--json")
    assert (made.code, made.stderr) == (0, "")
    told = json.loads(made.stdout)
    assert told["models"] == ["parents/p0", "parents/p1", "parents/p2"]
    assert told["bytes"] == (place / "parents.safetensors").stat().st_size < 3 * 13_500
    found = Lineage.model_validate_json(hubslice("lineage", "child", "--index", "parents.safetensors", "--json").stdout)
    assert (found.parent, found.searched, found.index) == ("parents/p1", 3, "parents.safetensors")
    assert (
        "shares its weights with parents/p1, among 3"
        in hubslice("lineage", "find", "child", "--index", "parents.safetensors").stdout
    )


def test_a_thinned_child_is_found_by_its_first_layers(place: Path, hubslice: Hubslice) -> None:
    write(place / "thin", nameless(rewired(tuned(weights(1), 4), 5, 0.6), 6))
    assert hubslice("lineage", "index", "parents", "--out", "parents.safetensors").code == 0
    done = hubslice("lineage", "thin", "--index", "parents.safetensors")
    assert "thin shares its weights with parents/p1, among 3" in done.stdout
    assert "found by its first layers alone; to compare all of them: --candidates parents/p1" in done.stderr
    gone = hubslice("lineage", "index", "parents/p0", "parents/p2", "--out", "others.safetensors")
    assert gone.code == 0
    missed = hubslice("lineage", "thin", "--index", "others.safetensors")
    assert "nothing can be said of thin: too few of its weights lie in layers of a shape" in (missed.stdout)
    assert "a model that lost most channels is not found by an index" in missed.stderr


def test_models_on_the_hub_are_read_in_parts(place: Path, hub: HubServer, hubslice: Hubslice) -> None:
    write(place / "wide", nameless(tuned(weights(1, WIDE), 7), 2))
    found = package.lineage("wide", ["lab/p0", "lab/p1"])
    assert found.parent == "lab/p1"
    whole = {other.candidate: other.bytes_whole for other in found.candidates}
    assert all(
        other.bytes_read < whole[other.candidate] / 8 for other in found.candidates if other.verdict == "descendant"
    )
    made = hubslice("lineage", "index", "lab/p0", "lab/p1", "-o", "hub.safetensors", "--json")
    assert json.loads(made.stdout)["bytes_read"] < sum(whole.values()) / 6
    assert not list((place / "cache").rglob("*.safetensors"))
    assert package.lineage("wide", index="hub.safetensors").parent == "lab/p1"
    assert package.lineage("lab/p1", ["lab/p0"]).parent is None


def test_a_stranger_has_no_parent(place: Path, hubslice: Hubslice) -> None:
    write(place / "stranger", weights(9))
    done = hubslice("lineage", "stranger", "--candidates", "parents")
    assert done.code == 0
    assert "no candidate shares ancestry with stranger" in done.stdout
    assert hubslice("lineage", "stranger", "--candidates", "parents", "--quiet").stdout == ""


def test_the_parent_comes_before_the_grandparent_whatever_heads_they_have(place: Path) -> None:
    """Of the grandparent the head has another shape, so it does not lower the score; of the parent it does."""
    parent = tuned(weights(1), 5, classes=7)
    write(place / "parent", parent)
    write(place / "grandchild", nameless(tuned(parent, 6, classes=7), 3))
    found = package.lineage("grandchild", ["parents/p1", "parent", "child"])
    assert [other.candidate for other in found.candidates] == ["parent", "parents/p1", "child"]
    assert {other.verdict for other in found.candidates} == {"descendant"}
    closeness = [other.closeness or 0 for other in found.candidates]
    assert closeness == sorted(closeness, reverse=True)


def test_revisions_of_one_repository_are_candidates_of_their_own(place: Path, hub: HubServer) -> None:
    parent = tuned(weights(1), 5)
    old, new = (hub.seed("lab/line", write(place / "line", each)).oid for each in (weights(1), parent))
    write(place / "grandchild", nameless(tuned(parent, 6), 3))
    names = [f"lab/line@{new}", f"lab/line@{old}"]
    found = package.lineage("grandchild", names[::-1])
    assert [other.candidate for other in found.candidates] == names
    near, far = (other.closeness or 0 for other in found.candidates)
    assert near > far + 0.01
    assert package.lineage_index(names, "revisions.safetensors").models == tuple(names)
    assert package.lineage("grandchild", index="revisions.safetensors").parent == names[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("child", "-c", "parents/p0", "parents/p1"),
        ("child", "--candidates=parents/p0", "parents/p1"),
        ("-c", "parents/p0", "parents/p1", "--quiet", "child"),
        ("find", "child", "--quiet", "-c", "parents/p0", "--candidates", "parents/p1"),
    ],
)
def test_ways_to_name_several_candidates(place: Path, hubslice: Hubslice, arguments: tuple[str, ...]) -> None:
    done = hubslice("lineage", *arguments, "--json")
    assert done.code == 0, done.stderr
    assert [each["candidate"] for each in json.loads(done.stdout)["candidates"]] == ["parents/p1", "parents/p0"]


def test_a_model_is_no_candidate_of_its_own(place: Path, hub: HubServer, hubslice: Hubslice) -> None:
    """Whatever it is called by: a folder or the file in it, a branch or the commit."""
    names = ("./child", "child/model.safetensors", str(place / "child"))
    done = hubslice("lineage", "child", "--candidates", *names, "parents/p1", "--quiet")
    assert (done.code, done.stdout) == (0, "parents/p1\n")
    told = " ".join(done.stderr.split())
    assert all(f"warning: {name} was left out: {name} is the model itself" in told for name in names)
    commit = hub.commits("lab/p1")[0].oid
    found = package.lineage("lab/p1", ["lab/p0", "lab/p1@main", f"lab/p1@{commit}"])
    assert [each.candidate for each in found.candidates] == ["lab/p0"]
    assert list(found.skipped) == ["lab/p1@main", f"lab/p1@{commit}"]
    package.lineage_index(["child", "parents/p1", "lab/p0"], "index.safetensors")
    assert package.lineage("./child", index="index.safetensors").parent == "parents/p1"
    assert package.lineage("lab/p0", index="index.safetensors").skipped == {"lab/p0": "lab/p0 is the model itself"}


def test_an_index_of_models_that_are_gone_is_searched_all_the_same(place: Path) -> None:
    package.lineage_index(["parents/p0", "parents/p1"], "index.safetensors")
    for file in (place / "parents/p0").iterdir():
        file.unlink()
    assert package.lineage("child", index="index.safetensors").parent == "parents/p1"


def test_a_copy_is_told_from_a_child(place: Path, hubslice: Hubslice) -> None:
    write(place / "copy", nameless(weights(1), 5))
    write(place / "close", nameless(tuned(weights(1), 5, change=1e-4) | {"head.weight": weights(1)["head.weight"]}, 5))
    done = hubslice("lineage", "copy", "--candidates", "parents")
    assert "copy is a copy of parents/p1: all weights that were compared are equal, among 3" in done.stdout
    close = hubslice("lineage", "close", "--candidates", "parents")
    assert "1.000" in close.stdout
    assert "close shares its weights with parents/p1" in close.stdout


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models of one architecture and other seeds."""
    folder = tmp_path_factory.mktemp("networks")
    for seed in range(3):
        model = TimmModel.create("hubslice_vgg", ("a", "b"), seed=seed, widths=(24, 32, 40), depths=(1, 1, 1))
        model.preprocessing = model.image_preprocessing.model_copy(update={"input_size": (3, 16, 16)})
        model.save(folder / f"n{seed}")
    np.save(folder / "clean.npy", clean(8))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "fp16", "int8", "int8 --dynamic"])
def test_graphs_are_models_too(networks: Path, tmp_path: Path, hubslice: Hubslice, form: str) -> None:
    """As `hubslice convert` writes them, with normalisation folded in and weights of 8 bits."""
    data = ("--data", str(networks / "clean.npy")) if form == "int8" else ()
    extra = (*data, "--min-agreement", "0") if form.startswith("int8") else ()
    done = hubslice("convert", str(networks / "n1"), "--to", *form.split(), *extra, "--out", str(tmp_path / "out"))
    assert done.code == 0, done.stderr
    found = package.lineage(tmp_path / "out/model.onnx", [networks / f"n{seed}" for seed in range(3)])
    assert [each.verdict for each in found.candidates] == ["descendant", "unrelated", "unrelated"]
    assert found.parent == str(networks / "n1")
    assert (found.candidates[0].score or 0) > 0.99


def test_candidates_in_shards_and_in_pickles(place: Path, hubslice: Hubslice) -> None:
    """Shards are read as one model; what only a pickle holds is left out, whichever candidate it is."""
    arrays = weights(1)
    names = sorted(arrays)
    shards = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(names)}
    (place / "sharded").mkdir()
    for file in set(shards.values()):
        save_file({name: arrays[name] for name in names if shards[name] == file}, place / "sharded" / file)
    (place / "sharded/model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    (place / "sharded/config.json").write_text("{}")
    (place / "pickled").mkdir()
    (place / "pickled/config.json").write_text("{}")
    (place / "pickled/pytorch_model.bin").write_bytes(b"\x80\x02")
    done = hubslice("lineage", "child", "--candidates", "pickled", "parents/p0", "sharded", "--json")
    assert done.code == 0
    found = json.loads(done.stdout)
    assert [each["candidate"] for each in found["candidates"]] == ["sharded", "parents/p0"]
    assert {layer["candidate"] for layer in found["candidates"][0]["layers"]} == {
        name for name in names if name.startswith("layers") and name.endswith("weight")
    }
    assert "has its weights only as pickle" in found["skipped"]["pickled"]
    assert "pickled was left out" in done.stderr


def test_nothing_can_be_said_of_what_cannot_be_read(place: Path, hubslice: Hubslice) -> None:
    """Which is not the same as to share nothing."""
    write(place / "alien", {"m": weights(0)["layers.1.weight"].reshape(72, 72)})
    write(place / "packed", {"m": np.ones((64, 64), np.int32), "s": np.ones(64, np.float16)})
    write(place / "vectors", {"m": np.ones(640, np.float32)})
    read = "read are F64, F32, F16, I8, U8, BF16, F8_E4M3, F8_E5M2"
    expected = {
        (
            "packed",
            "parents",
        ): f"packed: no layer of packed can be read: its tensors are F16, I32; {read}",
        (
            "child",
            "packed",
        ): f"child: no layer of packed can be read: its tensors are F16, I32; {read}",
        ("vectors", "alien"): "vectors: vectors has no tensor of two axes",
        ("child", "vectors"): "child: vectors has no tensor of two axes",
        ("child", "alien"): "child: too few of its weights lie in layers of a shape",
    }
    for (model, candidate), says in expected.items():
        done = hubslice("lineage", model, "--candidates", candidate)
        assert done.code == 0
        assert f"nothing can be said of {says}" in done.stdout
        assert "shares ancestry" not in done.stdout

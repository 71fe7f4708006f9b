"""Indexes that are damaged or of another version, and the making of one that is stopped or left by the Hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from hubslice.ancestry.index import KIND, load_index
from hubslice.ancestry.opening import open_model
from hubslice.files.sealed import write_sealed
from hubslice.files.tensor_parts import Tensors
from tests.ancestry.small import weights, write
from tests.fake_hub import Fault, HubServer, on
from tests.faults.conftest import Refused
from tests.faults.lineage_setup import AGAIN, bend, hub, made
from tests.terminal.conftest import Hubslice

__all__ = ["hub", "made"]


def test_an_index_of_another_version(place: Path, hubslice: Hubslice, refused: Refused) -> None:
    """It is not searched, nor added to, but may be replaced."""
    path = place / "old.safetensors"
    write_sealed(path, KIND, {"version": 0, "models": [], "shapes": []}, {"values": np.zeros(3, np.int8)})
    kept = path.read_bytes()
    says = ("old.safetensors holds fingerprints of version 0; this hubslice reads version 2", AGAIN)
    refused("lineage", "child", "--index", "old.safetensors", code=2, says=says)
    refused("lineage", "index", "child", "--add", "--out", "old.safetensors", code=2, says=says)
    assert path.read_bytes() == kept
    done = hubslice("lineage", "index", "child", "--out", "old.safetensors")
    assert done.code == 0
    assert "old.safetensors: 1 model in " in done.stdout
    assert [each.model for each in load_index(path)] == ["child"]


def test_a_bent_index(place: Path, hubslice: Hubslice, refused: Refused) -> None:
    assert hubslice("lineage", "index", "parent", "--out", "index.safetensors").code == 0
    data = bytearray((place / "index.safetensors").read_bytes())
    data[-40] ^= 1
    (place / "index.safetensors").write_bytes(data)
    says = ("its content is not that of its checksum", AGAIN)
    refused("lineage", "child", "--index", "index.safetensors", code=2, says=says)


MANY = tuple(f"lab/m{number}" for number in range(5))


INDEX = ("lineage", "index", *MANY, "--out", "index.safetensors")


@pytest.fixture
def many(place: Path, hub: HubServer, hubslice: Hubslice, tmp_path: Path) -> HubServer:
    """Five models on the Hub, and an index of another one where theirs shall be."""
    for number, name in enumerate(MANY):
        hub.seed(name, write(tmp_path / name, weights(number)))
    assert hubslice("lineage", "index", "parent", "--out", "index.safetensors").code == 0
    hub.log.clear()
    return hub


def asked(hub: HubServer) -> dict[str, int]:
    """How often each model was asked for, beyond what its branch means."""
    return {name: sum(f"/{name}/" in line and "/resolve/" in line for line in hub.log) for name in MANY}


def breaks_off(many: HubServer, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    many.faults.append(Fault(on("*", "lab/m[234]"), status=502, times=None))
    says = ("the Hub failed for 3 models in a row", "out of order (HTTP 502", "give the same command again: it goes on")
    refused(*INDEX, code=3, says=says)
    refused("lineage", "child", "--candidates", "parent", *MANY[2:], code=3, says=says[:2])
    many.faults.clear()


def test_failures_here_and_there_are_left_out(many: HubServer, hubslice: Hubslice) -> None:
    many.faults += [
        Fault(on("*", "lab/m[024]"), status=502, times=None),
        Fault(on("*", "lab/m[13]"), status=403, times=None),
    ]
    done = hubslice("lineage", "child", "--candidates", "parent", *MANY, "--json")
    assert done.code == 0, done.stderr
    assert list(json.loads(done.stdout)["skipped"]) == list(MANY)


def is_interrupted(many: HubServer, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(name: str) -> Tensors:
        if name == MANY[2]:
            raise KeyboardInterrupt
        return open_model(name)

    monkeypatch.setattr("hubslice.verbs.lineage.indexing.open_model", opened)
    refused(*INDEX, code=130, says=("interrupted", "it goes on where it stopped"))
    monkeypatch.setattr("hubslice.verbs.lineage.indexing.open_model", open_model)


@pytest.mark.parametrize("stops", [breaks_off, is_interrupted])
def test_an_index_goes_on_where_it_stopped(
    place: Path,
    many: HubServer,
    hubslice: Hubslice,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    stops: Callable[[HubServer, Refused, pytest.MonkeyPatch], None],
) -> None:
    old = (place / "index.safetensors").read_bytes()
    stops(many, refused, monkeypatch)
    assert (place / "index.safetensors").read_bytes() == old
    assert all(asked(many)[name] for name in MANY[:2])
    many.log.clear()
    done = hubslice(*INDEX, "--json")
    assert json.loads(done.stdout)["models"] == list(MANY)
    assert [count > 0 for count in asked(many).values()] == [False, False, True, True, True]
    assert not list(place.glob(".*"))
    many.log.clear()
    assert hubslice(*INDEX).code == 0
    assert set(asked(many).values()) == {0}


def test_an_index_that_one_model_could_not_be_reached_for(
    place: Path, many: HubServer, hubslice: Hubslice, refused: Refused
) -> None:
    old = (place / "index.safetensors").read_bytes()
    many.faults.append(Fault(on("*", "lab/m1"), status=500, times=None))
    says = ("the Hub failed for 1 of 5 models", "it goes on where it stopped; or leave those models out")
    refused(*INDEX, code=3, says=says)
    assert (place / "index.safetensors").read_bytes() == old
    assert hubslice("lineage", "index", *MANY[2:], "--out", "index.safetensors").code == 0
    assert [each.model for each in load_index(place / "index.safetensors")] == list(MANY[2:])


def test_adding_to_an_index(
    place: Path, many: HubServer, hubslice: Hubslice, refused: Refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (place / "ids.txt").write_text("lab/m0\n\n  lab/m1\n")
    add = ("lineage", "index", "--add", "--out", "index.safetensors", "--from")
    assert json.loads(hubslice(*add, "ids.txt", "--json").stdout)["models"] == ["parent", *MANY[:2]]
    changed = many.seed("lab/m1", write(tmp_path / "changed", weights(7))).oid
    many.log.clear()
    monkeypatch.setattr("sys.stdin", StringIO("lab/m1\nlab/m2\n"))
    assert json.loads(hubslice(*add, "-", "--json").stdout)["models"] == ["parent", *MANY[:3]]
    assert [count > 0 for count in asked(many).values()] == [False, True, True, False, False]
    assert [each.commit for each in load_index(place / "index.safetensors")][2] == changed
    refused(*add, "nowhere.txt", code=2, says=("nowhere.txt cannot be read as a list of models", "--from: one a line"))
    (place / "none.txt").write_text("\n")
    refused(*add, "none.txt", code=2, says=("no model is named", "hubslice lineage index ID ... --out FILE"))
    bend(place / "index.safetensors")
    refused(*add, "ids.txt", code=2, says=("its content is not that of its checksum", AGAIN))

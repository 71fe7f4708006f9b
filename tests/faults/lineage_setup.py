"""A parent, its child and damaged models, and a Hub that has two of them: what commands on lineage are tried on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from hubslice.hub.client import Client
from tests.ancestry.small import nameless, tuned, weights, write
from tests.fake_hub import HubServer, User

TOKENS = {"hf_alice": User("alice")}
AGAIN = "make it again with `hubslice lineage index MODEL ... --out FILE`"
WIDE = (3, 64, 128, 256)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parent, its child, damaged and strange things; made once and copied."""
    place = tmp_path_factory.mktemp("lineage")
    write(place / "parent", weights(0))
    write(place / "child", nameless(tuned(weights(0), 1), 2))
    write(place / "alien", {"m": np.random.default_rng(0).normal(size=(60, 70)).astype(np.float32)})
    write(place / "vectors", {"bias": np.ones(300, np.float32)})
    write(place / "cut", weights(0))
    weights_file = place / "cut/model.safetensors"
    weights_file.write_bytes(weights_file.read_bytes()[:-40])
    (place / "pickled").mkdir()
    (place / "pickled/config.json").write_text("{}")
    (place / "pickled/pytorch_model.bin").write_bytes(b"\x80\x02")
    (place / "empty").mkdir()
    (place / "busy").mkdir()
    (place / "busy/thesis.tex").write_text("years of work")
    (place / "text.safetensors").write_bytes(b"no index")
    (place / "text.onnx").write_bytes(b"no graph")
    elsewhere = onnx.numpy_helper.from_array(np.ones((8, 16), np.float32), "w")
    onnx.external_data_helper.set_external_data(elsewhere, "gone.bin")
    elsewhere.ClearField("raw_data")
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "split", [], [], [elsewhere])
    (place / "split.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    return place


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub", TOKENS) as server:
        client = Client(endpoint=server.url, cache_dir=tmp_path / "cache")
        monkeypatch.setattr("hubslice.hub.default.connect", lambda: client)
        monkeypatch.setattr("hubslice.hub.session._PATIENCE", (0.0, 0.0))
        server.seed("lab/parent", write(tmp_path / "seed", weights(0)))
        server.seed("lab/wide", write(tmp_path / "wide", weights(0, WIDE)))
        server.seed("lab/gated", tmp_path / "seed")
        with server.store.edit("models", "lab/gated") as repo:
            repo.gated = "manual"
        yield server


def bend(path: Path) -> None:
    """Change one bit near the end of a file."""
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)

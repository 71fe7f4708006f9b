"""`hubslice diff` with a model on the Hub."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hubslice
from hubslice.hub.client import Client
from tests.fake_hub import HubServer, User
from tests.verbs.detect.small import between, write_model


@pytest.mark.slow
def test_a_model_on_the_hub_is_compared_with_a_graph_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model")
    np.save(tmp_path / "between.npy", between(12))
    with HubServer(tmp_path / "hub", {"hf_alice": User("alice")}) as server:
        server.seed("alice/colours", tmp_path / "model")
        client = Client(endpoint=server.url, cache_dir=tmp_path / "cache")
        monkeypatch.setattr("hubslice.hub.default.connect", lambda: client)
        hubslice.convert("alice/colours", "int8", data="between.npy", min_agreement=0.0)
        found = hubslice.diff("alice/colours", "colours-int8/model.onnx", "between.npy", budget=60)
    assert (found.a.model, found.a.kind, found.b.kind) == ("alice/colours", "hub", "onnx")
    assert found.folder == "colours-colours-int8-diff"
    assert found.found.hits
    same = hubslice.diff("model", "colours-int8/model.onnx", "between.npy", budget=60, out=Path("local"))
    assert found.results == tuple(
        entry.model_copy(update={"seconds": other.seconds})
        for entry, other in zip(same.results, found.results, strict=True)
    )

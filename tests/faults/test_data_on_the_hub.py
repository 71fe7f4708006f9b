"""Every verb that takes images takes a data set's Hub id, and says by its own option what mends another."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubslice.models.timm_adapter import TimmModel
from tests import warm
from tests.fake_hub import HubServer, User
from tests.images import COLOURS, write_parquet

pytestmark = pytest.mark.slow

VERBS = (
    ("explain", "model", "--inputs", "data.parquet", "--data", "{}", "--out", "why"),
    ("exposure", "model", "--teacher", "model", "--data", "{}"),
    ("detect", "fit", "model", "--data", "{}", "--skip-rare", "--fpr", "0.5"),
    ("convert", "model", "--to", "int8", "--data", "{}", "--min-agreement", "0"),
    ("diff", "model", "model", "--inputs", "{}", "--budget", "1", "--limit", "2"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    TimmModel.create("test_resnet", tuple(COLOURS), seed=1).save(place / "model")
    write_parquet(place / "data.parquet", 40)
    return place


@pytest.fixture(scope="module")
def hub(place: Path) -> Iterator[HubServer]:
    """A sound data set, and one whose rows name files of the machine that reads it."""
    images = [{"path": f"/etc/{at}.png", "bytes": None} for at in range(9)]
    rows = pa.table({"image": images, "label": ["a", "b", "c"] * 3})
    written = io.BytesIO()
    pq.write_table(rows, written)
    with HubServer(place / "hub", {"hf_alice": User("alice")}) as server:
        sound = (place / "data.parquet").read_bytes()
        server.seed("alice/shapes", {"data/train-00000.parquet": sound}, kind="datasets")
        server.seed("alice/paths", {"data/train-00000.parquet": written.getvalue()}, kind="datasets")
        yield server


def run(place: Path, hub: HubServer, verb: tuple[str, ...], data: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | hub.env(place / "home", "hf_alice") | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return warm.run("-m", "hubslice", *(part.format(data) for part in verb), env=environment, cwd=place)


@pytest.mark.parametrize("verb", VERBS[:2], ids=lambda verb: verb[0])
def test_a_data_set_of_the_hub(verb: tuple[str, ...], place: Path, hub: HubServer) -> None:
    done = run(place, hub, verb, "alice/shapes")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_the_hint_names_the_verbs_own_option(verb: tuple[str, ...], place: Path, hub: HubServer) -> None:
    done = run(place, hub, verb, "alice/paths")
    assert done.returncode == 2, done.stderr
    option = verb[verb.index("{}") - 1]
    assert f"set {'--data or --inputs' if verb[0] == 'explain' else option} to its folder" in done.stderr
    assert "data.path" not in done.stderr

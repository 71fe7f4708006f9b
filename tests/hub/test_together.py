"""hubslice, timm, transformers and datasets on one cache, each in processes of its own at its default settings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from hubslice.models.timm_adapter import TimmModel
from tests import warm
from tests.fake_hub import HubServer, User
from tests.images import write_parquet

pytestmark = pytest.mark.slow

# Each prints what it got, in a form that is the same wherever it came from.
SUM = "sum(float(t.double().abs().sum()) for t in model.state_dict().values())"
TIMM = f"import timm; model = timm.create_model('hf-hub:alice/timm', pretrained=True); print({SUM})"
TRANSFORMERS = (
    "from transformers import AutoModelForImageClassification as Auto; "
    f"model = Auto.from_pretrained('alice/vit'); print({SUM})"
)
DATASETS = "from datasets import load_dataset; print(list(load_dataset('alice/rows', split='train')['label']))"
OWN_DATA = """
from pathlib import Path
from hubslice.task.opening import open_tables
from hubslice.recipe.schema import DataParams
tables, _, commit = open_tables(DataParams(path="alice/rows"), Path())
print([int(label) for label in tables["train"].targets()])
"""
OTHERS = {"alice/timm": TIMM, "alice/vit": TRANSFORMERS}

Call = Callable[..., str]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    folder = tmp_path_factory.mktemp("models")
    TimmModel.create("test_resnet", ("blue", "red"), seed=1).save(folder / "timm")
    vit = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8
    )
    ViTForImageClassification(vit).save_pretrained(folder / "vit")
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder / "vit")
    write_parquet(folder / "rows" / "data" / "train-00000-of-00001.parquet", 12)
    with HubServer(folder / "hub", {"hf_alice": User("alice")}) as server:
        for name in OTHERS:
            server.seed(name, folder / name.rpartition("/")[2])
        server.seed("alice/rows", folder / "rows", kind="datasets")
        yield server


@pytest.fixture
def call(hub: HubServer, tmp_path: Path) -> Call:
    def run(*command: str, **extra: str) -> str:
        environment = os.environ | hub.env(tmp_path / "home") | {"HUBSLICE_CACHE": str(tmp_path / "own")} | extra
        given = ["-c", *command] if len(command) == 1 else ["-m", "hubslice", *command]
        done = warm.run(*given, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    return run


def held(home: Path) -> dict[str, Any]:
    """Where the links of the cache lead, and what its files hold; locks and notes of references apart."""
    paths = [path for path in (home / "hub").rglob("*") if path.suffix != ".lock" and ".locks" not in path.parts]
    kept = [path for path in paths if path.is_symlink() or path.is_file()]
    return {str(p): str(p.readlink()) if p.is_symlink() else p.read_bytes() for p in kept if p.suffix != ".refs"}


@pytest.mark.parametrize(("first", "repo"), [("others", "alice/timm"), ("hubslice", "alice/vit")])
def test_one_cache(first: str, repo: str, hub: HubServer, call: Call, tmp_path: Path) -> None:
    def hubslice(**extra: str) -> dict[str, str]:
        out = tmp_path / f"out-{len(list(tmp_path.glob('out-*')))}"
        call("pull", repo, "--out", str(out), "--json", **extra)
        facts = json.loads((out / "steps" / "pull" / "model.json").read_text())
        return {fact["path"]: fact["sha256"] for fact in facts["files"]}

    def others(**extra: str) -> str:
        return call(OTHERS[repo], **extra)

    log = len(hub.log)
    found: dict[str, Any] = {}
    for name in (first, *({"hubslice", "others"} - {first})):
        found[name] = hubslice() if name == "hubslice" else others()
    before = held(tmp_path / "home")
    weights = [line for line in hub.log[log:] if line.startswith("GET /cas/") and "/xorbs/" in line]
    assert len(weights) == 1  # the second took what the first had fetched
    asked = len(hub.log)
    offline = {"HF_HUB_OFFLINE": "1"}
    assert (hubslice(**offline), others(**offline)) == (found["hubslice"], found["others"])
    assert len(hub.log) == asked
    assert held(tmp_path / "home") == before
    shared = [path for path in (tmp_path / "home/hub/blobs").glob("*/*") if len(path.name) == 64]
    assert len(shared) == 1


def test_a_data_set(hub: HubServer, call: Call) -> None:
    log = len(hub.log)
    rows = call(DATASETS)
    assert rows == str([0, 1, 2] * 4)
    assert call(OWN_DATA) == rows
    assert any("/xorbs/" in line for line in hub.log[log:])

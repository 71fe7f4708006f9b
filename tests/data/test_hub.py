"""A data set of the Hub, fetched once: offline the same rows at the same commit, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub import HubServer, User
from tests.pictures import write_parquet

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
from pathlib import Path
from hubslice.data.table import open_tables
from hubslice.errors import HubsliceError
from hubslice.recipe.schema import DataParams

def opened(path, revision):
    try:
        given = {"path": path} | ({"revision": revision} if revision else {})
        tables, fingerprint, commit = open_tables(DataParams.model_validate(given), Path())
    except HubsliceError as error:
        return {"error": type(error).__name__, "code": error.exit_code, "says": f"{error.message} hint: {error.hint}"}
    rows = {name: [table.targets().tolist(), [table.picture(row).tobytes().hex()[:64] for row in range(3)]]
            for name, table in tables.items()}
    return {"rows": rows, "fingerprint": fingerprint, "commit": commit}

print(json.dumps([opened(*each) for each in json.loads(sys.argv[1])]))
"""
STOCK = "import datasets; print(datasets.load_dataset('alice/pets', revision=%r)['train'].num_rows)"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pets")


@pytest.fixture(scope="module")
def hub(place: Path) -> Iterator[HubServer]:
    with HubServer(place / "hub", {"hf_alice": User("alice")}) as server:
        yield server


def python(hub: HubServer, home: Path, *arguments: str, **extra: str) -> str:
    environment = os.environ | hub.env(home, "hf_alice") | {"HF_DATASETS_CACHE": str(home / "datasets")} | extra
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def opened(hub: HubServer, home: Path, *wanted: tuple[str, str | None], **extra: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(python(hub, home, "-c", SCRIPT, json.dumps(wanted), **extra))
    return found


def seed(hub: HubServer, folder: Path, samples: int) -> str:
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", samples)
    return hub.seed("alice/pets", folder, kind="datasets").oid


def test_offline_is_as_online_was(hub: HubServer, place: Path) -> None:
    home = place / "home"
    first = seed(hub, place / "source", 30)
    (online,) = opened(hub, home, ("alice/pets", None))
    assert online["commit"] == first
    assert online["fingerprint"] == f"alice/pets@{first}"
    assert len(online["rows"]["train"][0]) == 30
    asked = len(hub.log)
    pets = [("alice/pets", revision) for revision in (None, first, first[:8], "v2")]
    known, pinned, short, other, unknown = opened(hub, home, *pets, ("alice/none", None), HF_HUB_OFFLINE="1")
    assert known == pinned == short == online
    for missing, command in (
        (unknown, "datasets.load_dataset('\"'\"'alice/none'\"'\"')"),
        (other, "revision='\"'\"'v2'\"'\"'"),
    ):
        assert (missing["error"], missing["code"]) == ("FetchError", 3)
        assert "HF_HUB_OFFLINE" in missing["says"]
        assert "fetch it once while online" in missing["says"]
        assert command in missing["says"]
    assert f"it holds default at {first}" in other["says"]
    assert len(hub.log) == asked

    second = seed(hub, place / "source", 36)  # the branch moves; nobody has fetched it
    assert opened(hub, home, ("alice/pets", None), HF_HUB_OFFLINE="1") == [online]
    (dead,) = opened(hub, home, ("alice/pets", None), HF_ENDPOINT="http://127.0.0.1:9")
    assert (dead["error"], dead["code"]) == ("FetchError", 3)
    assert "cannot be reached" in dead["says"]
    assert f"HF_HUB_OFFLINE=1 works with the cached commit {first}" in dead["says"]

    (moved,) = opened(hub, home, ("alice/pets", None))
    assert moved["commit"] == second
    latest, before = opened(hub, home, ("alice/pets", None), ("alice/pets", first), HF_HUB_OFFLINE="1")
    assert (latest, before) == (moved, online)


def test_what_the_stock_library_fetched_is_served(hub: HubServer, place: Path) -> None:
    home = place / "stock"
    commit = seed(hub, place / "source", 36)
    for revision in (None, commit):  # the second leaves no note of what the branch meant
        cache = home / str(revision)
        assert python(hub, cache, "-c", STOCK % revision).strip() == "36"
        (found,) = opened(hub, cache, ("alice/pets", None), HF_HUB_OFFLINE="1")
        assert (found["commit"], len(found["rows"]["train"][0])) == (commit, 36)


def test_what_cannot_be_used_of_it(hub: HubServer, place: Path) -> None:
    hub.seed("alice/two", {"README.md": b"---\nconfigs:\n- {config_name: a, data_files: a.csv}\n"
                           b"- {config_name: b, data_files: b.csv}\n---\n", "a.csv": b"x\n1\n", "b.csv": b"x\n1\n"},
             kind="datasets")  # fmt: skip
    two, none, revision = opened(hub, place / "odd", ("alice/two", None), ("nobody/none", None), ("alice/two", "v9"))
    assert (two["error"], two["code"]) == ("DataError", 2)
    assert "Config name is missing" in two["says"]
    assert "is not what a Hub answers" not in two["says"]
    assert (none["error"], none["code"]) == ("FetchError", 3)
    assert "the Hub has no readable data set of this id" in none["says"]
    assert (revision["error"], revision["code"]) == ("FetchError", 3)
    assert "has no such revision" in revision["says"]

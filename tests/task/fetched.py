"""Data sets of a Hub, opened in processes of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.fake_hub import HubServer, User
from tests.images import write_parquet

SCRIPT = """
import json, sys
from hashlib import sha256
from pathlib import Path
from hubslice.task.opening import open_tables
from hubslice.core.errors import HubsliceError
from hubslice.recipe.schema import DataParams

def opened(path, revision):
    try:
        given = {"path": path} | ({"revision": revision} if revision else {})
        tables, fingerprint, commit = open_tables(DataParams.model_validate(given), Path())
    except HubsliceError as error:
        return {"error": type(error).__name__, "code": error.exit_code, "says": f"{error.message} hint: {error.hint}"}
    rows = {name: [table.targets().tolist(), [sha256(table.stored(row)).hexdigest() for row in range(len(table))]]
            for name, table in tables.items()}
    return {"rows": rows, "fingerprint": fingerprint, "commit": commit}

print(json.dumps([opened(*each) for each in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pets")


@pytest.fixture(scope="module")
def hub(place: Path) -> Iterator[HubServer]:
    with HubServer(place / "hub", {"hf_alice": User("alice")}) as server:
        yield server


def place_of(home: Path) -> Path:
    home.parent.mkdir(parents=True, exist_ok=True)
    return home.parent


def python(hub: HubServer, home: Path, *arguments: str, **extra: str) -> str:
    environment = os.environ | hub.env(home, "hf_alice") | {"HF_DATASETS_CACHE": str(home / "datasets")} | extra
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = warm.run(*arguments, env=environment, cwd=place_of(home))
    assert done.returncode == 0, done.stderr
    return done.stdout


def opened(hub: HubServer, home: Path, *wanted: tuple[str, str | None], **extra: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(python(hub, home, "-c", SCRIPT, json.dumps(wanted), **extra))
    return found


def seed(hub: HubServer, folder: Path, samples: int) -> str:
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", samples)
    return hub.seed("alice/pets", folder, kind="datasets").oid

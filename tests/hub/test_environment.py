"""What a user's process sees: endpoint, login, cache and offline mode come from the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_hub import HubServer
from tests.hub.conftest import model, write

SCRIPT = """
import json, sys, time
from pathlib import Path
from hubslice.core.errors import HubsliceError
from hubslice.hub.pull import fetch
from hubslice.hub.push import plan_push, push
from hubslice.hub.ref import parse_ref

def attempt(call):
    try:
        return call()
    except HubsliceError as error:
        return [type(error).__name__, error.exit_code, error.message, error.hint]

def pull(name):
    return attempt(lambda: fetch(parse_ref(name, Path())).commit)

start = time.monotonic()
print(json.dumps({
    "teacher": pull("alice/teacher"),
    "missing": pull("alice/missing"),
    "push": attempt(lambda: push(plan_push(Path(sys.argv[1]), "alice/student", poisoned=False)).commit),
    "torch": "torch" in sys.modules,
    "seconds": time.monotonic() - start,
}))
"""


def run(hub: HubServer, home: Path, folder: Path, token: str | None = None, **extra: str) -> dict[str, object]:
    environment = os.environ | hub.env(home, token) | extra
    command = [sys.executable, "-W", "error", "-c", SCRIPT, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert token is None or token not in done.stdout + done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_environment(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.seed("alice/teacher", model())
    home, folder = tmp_path / "home", write(tmp_path / "student", model())
    online = run(hub, home, folder, "hf_alice")
    assert online["teacher"] == commit.oid
    assert online["missing"][:2] == ["FetchError", 3]  # type: ignore[index]
    assert online["push"] == hub.commits("alice/student")[0].oid
    assert online["torch"] is False
    requests = len(hub.log)
    offline = run(hub, home, folder, "hf_alice", HF_HUB_OFFLINE="1")
    assert offline["teacher"] == commit.oid
    assert offline["missing"][:2] == ["FetchError", 3]  # type: ignore[index]
    assert offline["push"][:2] == ["PushError", 3]  # type: ignore[index]
    assert len(hub.log) == requests


@pytest.mark.slow
def test_a_dead_address_is_told_soon(hub: HubServer, tmp_path: Path) -> None:
    folder = write(tmp_path / "student", model())
    ends = run(hub, tmp_path / "home", folder, "hf_alice", HF_ENDPOINT="http://127.0.0.1:9")
    for name in ("teacher", "missing", "push"):
        kind, code, message, hint = ends[name]  # type: ignore[misc]
        assert (code, kind) == (3, "PushError" if name == "push" else "FetchError")
        assert "the Hub at http://127.0.0.1:9 cannot be reached" in message
        assert "HF_ENDPOINT" in hint
    assert ends["seconds"] < 10  # type: ignore[operator] # all three, with real pauses

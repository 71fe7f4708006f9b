"""The three ways in which the Hub keeps a file of weights: by Xet, in large-file storage (LFS), as a regular file.

Fresh processes at the client's default settings, but for the login and the place of the cache.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from tests import warm
from tests.fake_hub import HubServer, User, on
from tests.fake_hub.faults import Fault
from tests.hub.conftest import model, write

pytestmark = pytest.mark.slow

WAYS = ("xet", "lfs", "regular")
LARGE = np.arange(500_000, dtype=np.float32)
FILES = model() | {"model.safetensors": save({"large": LARGE, "small": LARGE[:4]}, metadata={"format": "pt"})}

SCRIPT = """
import json, sys
from pathlib import Path
from hubslice.files.tensor_parts import Piece
from hubslice.core.errors import HubsliceError
from hubslice.hub.published import fetch_student
from hubslice.hub.pull import fetch
from hubslice.hub.push import plan_push, push
from hubslice.hub.ref import HubRef
from hubslice.hub.tensors import open_tensors
from hubslice.core.progress import Bar, Silent

def pull(name):
    class Counting(Silent, Bar):
        total, count, most = 0, 0, 0
        def track(self, label, total, unit):
            self.total = total
            return self
        def __enter__(self): return self
        def __exit__(self, *_): pass
        def advance(self, amount=1, note=""):
            self.count += amount
    reporter = Counting()
    found = fetch(HubRef("", name), reporter=reporter)
    return [found.commit, str(found.folder), reporter.count, reporter.total]

def ranges(name):
    found = open_tensors(HubRef("", name))
    (part,) = found.read([Piece("large", 400, 408)])
    return [part.hex(), found.bytes_read]

def verify(name):
    found = fetch_student(HubRef("", name), "hubslice.lock")
    return [found.commit, sorted(found.names)]

def publish(folder):
    return push(plan_push(Path(folder), "alice/student", poisoned=False)).commit

try:
    print(json.dumps(globals()[sys.argv[1]](sys.argv[2])))
except HubsliceError as error:
    print(json.dumps([type(error).__name__, error.message, error.hint]))
"""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def hub(way: str, tmp_path: Path) -> Iterator[HubServer]:
    storage: Any = "lfs" if way == "lfs" else "xet"
    with HubServer(tmp_path / "hub", {"hf_alice": User("alice")}, storage=storage) as server:
        attributes = {".gitattributes": b""} if way == "regular" else {}
        server.seed("alice/teacher", FILES | attributes)
        server.seed("alice/student", {"README.md": b"# Mine\n"} | attributes)
        yield server


def call(hub: HubServer, home: Path, verb: str, argument: str, **extra: str) -> Any:
    environment = os.environ | hub.env(home, "hf_alice") | extra
    done = warm.run("-W", "error", "-c", SCRIPT, verb, argument, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def taken(hub: HubServer) -> str:
    """By which way weights were downloaded, after the routes that were asked."""
    by_xet = any(line.startswith("GET /cas/") and "/xorbs/" in line for line in hub.log)
    by_http = any(line.startswith("GET") and "/resolve/" in line and ".safetensors" in line for line in hub.log)
    assert by_xet != by_http
    return "xet" if by_xet else "http"


def test_pull_and_offline(way: str, hub: HubServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    commit, folder, count, total = call(hub, home, "pull", "alice/teacher")
    assert (commit, taken(hub)) == (hub.commits("alice/teacher")[0].oid, "xet" if way == "xet" else "http")
    assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == FILES
    assert count == total == sum(map(len, FILES.values()))  # the bar ends where it should
    weights = Path(folder) / "model.safetensors"
    if way != "regular":
        assert weights.readlink().name == hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    assert (home / "hub" / "blobs").is_dir() == (way == "xet")
    requests = len(hub.log)
    assert call(hub, home, "pull", "alice/teacher", HF_HUB_OFFLINE="1")[:2] == [commit, folder]
    offline = call(hub, home, "ranges", "alice/teacher", HF_HUB_OFFLINE="1")
    assert offline[0] == LARGE[100:102].tobytes().hex()
    assert len(hub.log) == requests


def test_byte_ranges(way: str, hub: HubServer, tmp_path: Path) -> None:
    part, read = call(hub, tmp_path / "home", "ranges", "alice/teacher")
    assert part == LARGE[100:102].tobytes().hex()
    assert read < 200_000 < len(FILES["model.safetensors"])
    assert not list((tmp_path / "home").rglob("*.safetensors"))


@pytest.mark.parametrize("xet", ["0", "1"], ids=["by-default", "xet-disabled"])
def test_push_and_verify(xet: str, way: str, hub: HubServer, tmp_path: Path) -> None:
    student = FILES | {
        "report.json": b'{"format": "hubslice-report-1"}',
        "evidence/a.safetensors": save({"a": LARGE[:9]}),
    }
    folder = write(tmp_path / "student", student)
    commit = call(hub, tmp_path / "home", "publish", str(folder), HF_HUB_DISABLE_XET=xet)
    assert commit == hub.commits("alice/student")[0].oid
    assert student.items() <= hub.files("alice/student").items()
    sent = [line for line in hub.log if line.startswith(("POST /cas/", "PUT /lfs-upload"))]
    kind = "regular" if not sent else "lfs" if sent[0].startswith("PUT") else "xet"
    assert kind == ("regular" if way == "regular" else "lfs" if xet == "1" else "xet")
    for offline in ("0", "1"):
        found, names = call(hub, tmp_path / "other", "verify", "alice/student", HF_HUB_OFFLINE=offline)
        assert found == commit
        assert {"model.safetensors", "evidence/a.safetensors"} <= set(names)


@pytest.mark.parametrize("moment", ["in the middle", "before the first byte"])
def test_a_pull_that_was_killed(moment: str, way: str, hub: HubServer, tmp_path: Path) -> None:
    home, file = tmp_path / "home", r"^/cas/.*/xorbs/|/resolve/.*/model.safetensors"
    slow = {"trickle": 5.0} if moment == "in the middle" else {"delay": 5.0}
    seen = tmp_path / "seen"
    hub.faults += [
        Fault(lambda request: on("GET", file)(request) and not seen.touch() and False),
        Fault(on("GET", file), **slow),  # type: ignore[arg-type]
    ]
    environment = os.environ | hub.env(home, "hf_alice")
    process = warm.Started("-c", SCRIPT, "pull", "alice/teacher", env=environment)
    while not seen.exists():
        assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate()
    commit, folder, *_ = call(hub, home, "pull", "alice/teacher")
    assert commit == hub.commits("alice/teacher")[0].oid
    assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == FILES

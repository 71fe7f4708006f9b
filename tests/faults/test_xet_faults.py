"""The storage of large files (Xet) in trouble, with a Hub that is well: what pull and push make of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fake_hub import Fault, HubServer, on
from tests.faults.conftest import Refused
from tests.faults.hub_faults import SOME, TOKEN, Trouble, rows
from tests.faults.hub_setup import REPO, hub, impatient, never_seen, pulls, pushes, refuse, student, teacher
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow

__all__ = ["hub", "impatient", "never_seen", "student", "teacher"]

PLAN = ("GET", "^/cas/.*/reconstructions/")
DATA = ("GET", "^/cas/.*/xorbs/")
XORBS = ("POST", "^/cas/.*/v1/xorbs/")
SHARDS = ("POST", "^/cas/.*/v1/shards")
READ, WRITE = ("GET", "/xet-read-token/"), ("GET", "/xet-write-token/")

GIVE = ("cannot fetch model.safetensors of alice/teacher", "the storage of large files (Xet) does not give them")
TAKE = ("cannot push to alice/student", "the storage of large files (Xet) does not take them")
WAYS_OUT = ("no firewall is in the way", "HF_HUB_DISABLE_XET=1 does without that storage")
STATUS = (*WAYS_OUT, "HTTP status")
TROUBLES = (
    Trouble("500", (*STATUS, "500"), {"status": 500}),
    Trouble("503", (*STATUS, "503"), {"status": 503}),
    Trouble("404", (*STATUS, "404"), {"status": 404}),
    Trouble("403", WAYS_OUT, {"status": 403}),
    Trouble("lost", WAYS_OUT, {"lost": True}),
)
DEAD = {"X-Xet-Cas-Url": "http://127.0.0.1:9"}


@pytest.mark.parametrize("path", [PLAN, DATA], ids=["plan", "data"])
@pytest.mark.parametrize(
    "trouble", rows((*TROUBLES, Trouble("cut", WAYS_OUT, {"cut_after": 50}), Trouble("zeros", WAYS_OUT, {"body": b""})))
)
def test_pull(
    trouble: Trouble,
    path: tuple[str, str],
    hub: HubServer,
    refused: Refused,
    hubslice: Hubslice,
    teacher: dict[str, bytes],
) -> None:
    trouble.lay(hub, path)
    refuse(refused, "pull", "alice/teacher", says=(*GIVE, *trouble.says))
    assert not list(Path("hf").rglob("snapshots/*/model.safetensors"))
    hub.faults.clear()
    pulls(hubslice, teacher)


@pytest.mark.parametrize("trouble", rows(SOME))
def test_pull_without_a_token_for_it(
    trouble: Trouble, hub: HubServer, refused: Refused, hubslice: Hubslice, teacher: dict[str, bytes]
) -> None:
    trouble.lay(hub, READ)
    refuse(refused, "pull", "alice/teacher", says=("cannot fetch model.safetensors", *trouble.says))
    hub.faults.clear()
    pulls(hubslice, teacher)


def test_pull_from_a_dead_address(hub: HubServer, refused: Refused) -> None:
    hub.faults.append(Fault(on(*READ), headers=DEAD, times=None))
    refuse(refused, "pull", "alice/teacher", says=(*GIVE, "http://127.0.0.1:9", *WAYS_OUT))


@pytest.mark.parametrize("path", [XORBS, SHARDS], ids=["data", "shards"])
@pytest.mark.parametrize("trouble", rows(TROUBLES))
def test_push(
    trouble: Trouble,
    path: tuple[str, str],
    hub: HubServer,
    refused: Refused,
    hubslice: Hubslice,
    student: Path,
) -> None:
    trouble.lay(hub, path)
    refuse(refused, "push", "student", REPO, says=(*TAKE, *trouble.says))
    assert "model.safetensors" not in hub.files(REPO)
    hub.faults.clear()
    pushes(hubslice, hub, student)


@pytest.mark.parametrize("trouble", rows(TROUBLES))
def test_push_without_a_token_for_it(
    trouble: Trouble, hub: HubServer, refused: Refused, hubslice: Hubslice, student: Path
) -> None:
    trouble.lay(hub, WRITE)
    refuse(refused, "push", "student", REPO, says=("cannot push to alice/student",))
    hub.faults.clear()
    pushes(hubslice, hub, student)


def test_push_to_a_dead_address(hub: HubServer, refused: Refused, student: Path) -> None:
    body = b'{"casUrl": "http://127.0.0.1:9", "accessToken": "x", "exp": 9999999999}'
    hub.faults.append(Fault(on(*WRITE), headers=DEAD, body=body, times=None))
    refuse(refused, "push", "student", REPO, says=(*TAKE, "http://127.0.0.1:9", *WAYS_OUT))


def test_a_storage_that_keeps_silent(hub: HubServer) -> None:
    """Its settings are read by a process of its own. The waits have an end; here a short one, which is the user's."""
    hub.faults.append(Fault(on(*DATA), delay=10, times=None))
    start = time.monotonic()
    environment = os.environ | hub.env(Path("home").absolute(), TOKEN) | {"HF_XET_CLIENT_READ_TIMEOUT": "500ms"}
    command = [sys.executable, "-m", "hubslice", "pull", "alice/teacher"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    said = " ".join(done.stderr.split())
    assert [part for part in (*GIVE, *WAYS_OUT) if part not in said] == []
    assert time.monotonic() - start < 60
    assert hub.faults[0].hits == 3  # HF_XET_CLIENT_RETRY_MAX_ATTEMPTS is 2, unless the user sets it


FULL = """
import sys
from hubslice.app import run
from hubslice.hub import disk_space
disk_space.free_bytes = lambda folder: 1 << 40  # what was free before the download
sys.exit(run(["pull", "alice/teacher"]))
"""


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_a_disk_that_is_full_before_the_end(way: str, hub: HubServer, teacher: dict[str, bytes]) -> None:
    hub.xet.offered = way == "xet"
    if subprocess.run(["unshare", "-Urm", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("needs to mount a file system")
    home = Path("home").absolute()
    home.mkdir()
    size = len(teacher["model.safetensors"]) * 2 // 3
    script = f'mount -t tmpfs -o size={size} tmpfs {home} && exec "{sys.executable}" -c "$0"'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, FULL],
        env=os.environ | hub.env(home, TOKEN),
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join(done.stderr.split())
    assert done.returncode == 3, said
    assert "cannot fetch model.safetensors of alice/teacher" in said
    assert f"the disk of {home}/hub/models--alice--teacher is full" in said
    assert "free space, or set HF_HOME to a folder on another disk" in said

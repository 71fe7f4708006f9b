"""Two of us at the same time: one cache, one repository."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from hubslice.core.errors import PushError
from hubslice.hub.push import PushResult, plan_push, push
from tests.fake_hub import Fault, HubServer, on
from tests.hub.conftest import MakeClient, model, weights, write

PULL = """
import sys
from hubslice.hub.pull import fetch
from hubslice.hub.ref import HubRef
fetched = fetch(HubRef("", "alice/teacher"))
print(*((fetched.folder / fact.path).stat().st_size for fact in fetched.files))
"""


@pytest.mark.slow
def test_two_pulls_into_one_cache(hub: HubServer, tmp_path: Path) -> None:
    files = model()
    hub.seed("alice/teacher", files)
    hub.faults.append(Fault(on("GET", "/resolve/|/xorbs/"), trickle=0.05, times=None))
    environment = os.environ | hub.env(tmp_path / "home")
    pulls = [
        subprocess.Popen([sys.executable, "-c", PULL], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for each in pulls:
        stdout, stderr = each.communicate()
        assert each.returncode == 0, stderr
        assert stdout.split() == [str(len(files[name])).encode() for name in sorted(files)]
    held = [path.read_bytes() for path in (tmp_path / "home").rglob("snapshots/*/*")]
    assert sorted(held) == sorted(files.values())


def test_two_pushes_to_one_repository(hub: HubServer, client_of: MakeClient, tmp_path: Path) -> None:
    hub.seed("alice/student", {"README.md": b"# Before\n"})
    students = [model(value) | {"only.txt": str(value).encode()} for value in (1.0, 2.0)]
    folders = [write(tmp_path / f"student-{number}", files) for number, files in enumerate(students)]
    start = Barrier(2, timeout=60)

    def send(number: int) -> PushResult | PushError:
        client = client_of("hf_alice", cache=f"cache-{number}")
        plan = plan_push(folders[number], "alice/student", poisoned=False, client=client)
        start.wait()
        try:
            return push(plan)
        except PushError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(send, range(2)))
    (winner,) = [number for number, end in enumerate(ends) if isinstance(end, PushResult)]
    refusal = ends[1 - winner]
    assert isinstance(refusal, PushError)
    assert "somebody pushed to alice/student in between" in refusal.message
    assert "run again" in (refusal.hint or "")
    held = hub.files("alice/student")
    assert {name: held[name] for name in students[winner]} == students[winner]
    assert held["model.safetensors"] == weights((1.0, 2.0)[winner])
    assert len(hub.commits("alice/student")) == 3

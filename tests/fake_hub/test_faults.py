"""Faults on purpose, seen from the wire and from a client."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fake_hub import Fault, HubServer, on
from tests.fake_hub.raw import ask, commit, text

REPO = "alice/model"
CONTENT = bytes(range(250)) * 40
FILE = f"/{REPO}/resolve/main/w.bin"


@pytest.fixture(autouse=True)
def _seed(hub: HubServer) -> None:
    hub.seed(REPO, {"w.bin": CONTENT})


def test_a_status_comes_as_often_as_asked(hub: HubServer) -> None:
    hub.faults.append(Fault(on("GET", r"/resolve/.*\.bin$"), status=429, retry_after=3, times=2))
    replies = [ask(hub, "GET", FILE) for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 429, 200]
    assert (replies[0].headers["Retry-After"], replies[0].headers["X-Error-Code"]) == ("3", "Fault")
    assert ask(hub, "GET", "/api/models").status == 200
    assert hub.faults[0].hits == 2


def test_a_delay(hub: HubServer) -> None:
    hub.faults.append(Fault(on("*", "w.bin"), delay=0.2))
    start = time.monotonic()
    assert ask(hub, "GET", FILE).body == CONTENT
    assert time.monotonic() - start >= 0.2


def test_a_connection_is_cut_in_the_middle(hub: HubServer) -> None:
    hub.faults.append(Fault(on("GET", "w.bin"), cut_after=777))
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(hub, "GET", FILE)
    assert cut.value.partial == CONTENT[:777]
    assert ask(hub, "GET", FILE).body == CONTENT


def test_a_wrong_body_comes_under_the_right_headers(hub: HubServer) -> None:
    hub.faults.append(Fault(on("GET", "w.bin"), body=bytes(len(CONTENT))))
    wrong, right = ask(hub, "GET", FILE), ask(hub, "GET", FILE)
    assert (wrong.body, right.body) == (bytes(len(CONTENT)), CONTENT)
    assert wrong.headers["ETag"] == right.headers["ETag"]


def test_a_commit_is_made_and_its_answer_is_lost(hub: HubServer) -> None:
    hub.faults.append(Fault(on("POST", "/commit/main"), lost=True))
    with pytest.raises(http.client.RemoteDisconnected):
        commit(hub, REPO, [text("a.txt", "a")])
    assert hub.files(REPO)["a.txt"] == b"a"
    assert hub.log[-1] == f"POST /api/models/{REPO}/commit/main lost"


def test_a_client_recovers_from_a_cut_download(hub: HubServer, tmp_path: Path) -> None:
    hub.xet.offered = False  # by Xet: tests/fake_hub/test_xet.py
    hub.faults.append(Fault(on("GET", "w.bin"), cut_after=5000))
    program = f"from huggingface_hub import hf_hub_download; print(hf_hub_download('{REPO}', 'w.bin'))"
    process = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | hub.env(tmp_path), capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert Path(process.stdout.strip()).read_bytes() == CONTENT
    assert [line for line in hub.log if line.startswith("GET")] == [f"GET {FILE} 200"] * 2

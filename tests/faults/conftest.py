"""What users meet every day: bad input, broken networks, full disks. Each fault as one test of the command line.

Every test goes through `refused`: the exit code, what the message says, and that nobody sees a traceback.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hubslice.hub.client import Client
from tests.fake_hub import HubServer, User
from tests.terminal.conftest import Finished, Hubslice, hubslice

__all__ = ["Refused", "hubslice"]

Refused = Callable[..., Finished]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub that models are pulled from, with a cache of its own."""
    with HubServer(tmp_path / "hub", {"hf_alice": User("alice")}) as server:
        client = Client(endpoint=server.url, cache_dir=tmp_path / "cache")
        monkeypatch.setattr("hubslice.hub.default.connect", lambda: client)
        yield server


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the file's own `made`, to work in."""
    folder = tmp_path / "place"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def refused(hubslice: Hubslice) -> Refused:
    """Runs a command that must end with `code` and say all of `says` on stderr, error and hint alike."""

    def call(*arguments: str, code: int, says: tuple[str, ...]) -> Finished:
        finished = hubslice(*arguments)
        told = " ".join(finished.stderr.split())  # as a reader sees it: lines may be wrapped anywhere
        assert finished.code == code, told
        assert finished.stdout == ""
        assert "Traceback" not in told
        assert "this is a fault of hubslice" not in told
        missing = [phrase for phrase in says if phrase not in told]
        assert not missing, told
        return finished

    return call

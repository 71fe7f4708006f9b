"""A Hub with three users, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_hub import HubServer, User

TOKENS = {
    "hf_alice": User("alice", orgs=("lab",)),
    "hf_reader": User("alice", role="read", orgs=("lab",)),
    "hf_bob": User("bob"),
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub", TOKENS) as server:
        yield server

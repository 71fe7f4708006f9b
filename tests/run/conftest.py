"""A Hub for runs that are made and checked in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hubslice.hub.client import Client
from tests.fake_hub import HubServer


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub that `Client()` means; its files land in a cache of their own."""
    with HubServer(tmp_path / "hub", tokens={}) as server:
        made = Client.__init__

        def init(self: Client, *_: object, **__: object) -> None:
            made(self, endpoint=server.url, cache_dir=tmp_path / "cache")

        monkeypatch.setattr(Client, "__init__", init)
        yield server

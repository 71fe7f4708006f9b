"""A Hub with some users, clients of it, and tiny models."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from hubslice.hub.client import Client
from tests.fake_hub import HubServer, User

TOKENS = {
    "hf_alice": User("alice", orgs=("lab",)),
    "hf_reader": User("alice", role="read", orgs=("lab",)),
    "hf_bob": User("bob"),
}
CARD = """---
license: mit
base_model: timm/teacher
tags: [image-classification]
---
# A model
"""

MakeClient = Callable[..., Client]


def weights(value: float = 1.0, names: tuple[str, ...] = ("a", "b"), **metadata: str) -> bytes:
    tensors = {name: np.full((2, 3), value, dtype=np.float32) for name in names}
    return save(tensors, metadata={"format": "pt", **metadata})


def model(value: float = 1.0) -> dict[str, bytes]:
    """The files of a small, good model."""
    config = {"architecture": "resnet18", "num_classes": 2}
    return {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": weights(value),
        "preprocessor_config.json": b"{}",
        "README.md": CARD.encode(),
    }


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def spoil(path: Path, content: bytes) -> None:
    """Other bytes in the file itself, wherever links lead to it; shared ones are read-only."""
    path = path.resolve()
    path.chmod(0o644)
    path.write_bytes(content)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again at once, and takes a wait of a second for a long one."""
    monkeypatch.setattr("hubslice.hub.session._PATIENCE", (0.0, 0.0))
    monkeypatch.setattr("hubslice.hub.session.LONGEST_WAIT", 0.5)


@pytest.fixture
def without_xet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large files come and go by plain HTTP (LFS), as where the user has set HF_HUB_DISABLE_XET."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub", TOKENS) as server:
        yield server


@pytest.fixture
def client_of(hub: HubServer, tmp_path: Path) -> MakeClient:
    """Makes a client; anonymous without a token."""

    def make(token: str | None = None, cache: str = "cache") -> Client:
        return Client(endpoint=hub.url, token=token, cache_dir=tmp_path / cache)

    return make


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Switches to offline mode."""
    return lambda: monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

"""Answers about repositories that have no end, or none in time: each is told with its address, and is not kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants

from hubslice.core.errors import HubError, PushError
from hubslice.hub.client import Client
from hubslice.hub.listing import list_files
from hubslice.hub.ref import HubRef
from hubslice.hub.refusals import refused_as
from tests.fake_hub import HubServer
from tests.fake_hub.unruly import (
    MIB,
    Unruly,
    Way,
    announced,
    dripping,
    dripping_head,
    endless,
    endless_redirect,
    endless_refusal,
    foreign,
    packed,
    silent,
    unruly,
)
from tests.hub.conftest import MakeClient

ASKED: dict[str, Callable[[Client], object]] = {
    "models/a/b": lambda client: list_files(HubRef("", "a/b"), client),
    "models/a/b/tree/main": lambda client: list(client.api.list_repo_tree("a/b")),
    "models/a/b/commits/main": lambda client: client.api.list_repo_commits("a/b"),
    "whoami-v2": lambda client: client.api.whoami(token="hf_x"),
    "datasets/a/b": lambda client: client.api.dataset_info("a/b", timeout=100),
}
LARGE, LATE = "answers with more than 2 MiB", "does not end within"
WAYS = {
    endless: LARGE,
    endless_refusal: LARGE,
    announced: LARGE,
    packed: LARGE,
    foreign: "in the encoding 'zstd'",
    dripping: LATE,
    dripping_head: LATE,
}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An answer may have 2 MiB, and take some seconds."""
    monkeypatch.setattr("hubslice.hub.answers.LARGEST", 2 * MIB)
    monkeypatch.setattr("hubslice.hub.session._ANSWER", 1.0)
    for name in ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"):
        monkeypatch.setattr(constants, name, 1.0)
    yield
    close_session()


def told(server: Unruly, asked: Callable[[Client], object]) -> HubError:
    client = Client(endpoint=server.url, token="hf_x")
    with pytest.raises(HubError) as caught, refused_as(PushError, "ask", repo_id="a/b", client=client):
        asked(client)
    assert caught.value.exit_code == 3
    assert "HF_ENDPOINT" in (caught.value.hint or "")
    return caught.value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "path"),
    [(way, path) for path in ASKED for way in (WAYS if path == "models/a/b" else (endless, dripping))],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_answer_ends(way: Way, path: str) -> None:
    with unruly(way) as server:
        error = told(server, ASKED[path])
    assert f"{server.url}/api/{path}" in error.message
    assert WAYS[way] in error.message
    assert server.sent < 32 * MIB
    assert sum(path in line for line in server.requests) == 1


def test_the_body_of_a_redirect_is_not_read() -> None:
    with unruly(endless_redirect) as server:
        told(server, ASKED["models/a/b"])
    assert server.sent < 256 * MIB  # what is under way on the connections of twenty requests


@pytest.mark.slow
def test_a_server_that_kept_silent_is_asked_once() -> None:
    with unruly(silent) as server:
        assert "ReadTimeout" in told(server, ASKED["datasets/a/b"]).message
        before = len(server.requests)
        assert "ReadTimeout" in told(server, ASKED["models/a/b"]).message
    assert len(server.requests) == before + 1


def test_a_file_may_be_larger_than_any_answer(hub: HubServer, client_of: MakeClient, tmp_path: Path) -> None:
    content = b"x" * 5 * MIB
    hub.seed("a/b", {"notes.txt": content})
    found = client_of().api.hf_hub_download("a/b", "notes.txt", cache_dir=tmp_path / "cache")
    assert Path(found).read_bytes() == content

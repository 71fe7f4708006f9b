"""Lists whose pages have no end, and files that are longer than was said: each is told with its address, soon."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants

from hubslice.core.errors import FetchError
from hubslice.hub.client import Client
from hubslice.hub.refusals import refused_as
from tests.fake_hub.unruly import MIB, SIZE, Unruly, endless_file, paged, unruly
from tests.faults.conftest import Refused
from tests.faults.hub_faults import TOKEN
from tests.faults.hub_setup import refuse, use

TREE = "/api/models/a/b/tree/main?recursive=true&cursor={}"


@pytest.fixture(autouse=True)
def sessions() -> Iterator[None]:
    close_session()
    yield
    close_session()


def listed(server: Unruly) -> FetchError:
    """What is told of the list of a repository's files."""
    client = Client(endpoint=server.url, token="hf_x")
    with pytest.raises(FetchError) as caught, refused_as(FetchError, "list", repo_id="a/b", client=client):
        list(client.api.list_repo_tree("a/b", recursive=True))
    assert caught.value.exit_code == 3
    assert f"{server.url}/api/models/a/b/tree/main" in caught.value.message
    assert "HF_ENDPOINT" in (caught.value.hint or "")
    return caught.value


def send_page(connection: socket.socket, page: int, following: str) -> None:
    """One file of a list, and where the list goes on."""
    body = json.dumps([{"type": "file", "path": f"{page}.txt", "size": 1, "oid": "0" * 40}]).encode()
    link = f'Link: <{following}>; rel="next"\r\n' if following else ""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{link}Connection: close\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def test_a_list_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubslice.hub.pages.MOST", 30)
    with unruly(paged(lambda url, page: url + TREE.format(page))) as server:
        assert "has more than 30 pages" in listed(server).message
    assert len(server.requests) == 30


def test_a_list_of_very_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubslice.hub.pages.LARGEST", MIB)
    with unruly(paged(lambda url, page: url + TREE.format(page), items=2000)) as server:
        assert "has more than 1 MiB" in listed(server).message
    assert len(server.requests) < 15


def test_a_list_that_takes_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubslice.hub.pages.LONGEST", 0.2)
    with unruly(paged(lambda url, page: url + TREE.format(page))) as server:
        assert "does not end within" in listed(server).message


def test_lists_that_are_read_at_once() -> None:
    """Each in its own time; the third was left after its first page."""

    def way(connection: socket.socket, server: Unruly) -> None:
        page = int(server.requests[-1].partition("cursor=")[2].partition(" ")[0] or 0)
        following = (server.url + TREE).format(page + 1) if page < 5 else ""
        send_page(connection, page, following)

    with unruly(way) as server:
        api = Client(endpoint=server.url, token="hf_x").api
        first, second, left = (api.list_repo_tree("a/b", recursive=True) for _ in range(3))
        next(iter(left))
        found: dict[int, list[str]] = {0: [], 1: []}
        for which in (0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 0, 1):
            found[which].append(next(iter((first, second)[which])).path)
    assert found[0] == found[1] == [f"{page}.txt" for page in range(6)]


@pytest.mark.parametrize("pages", [1, 3])
def test_a_list_that_leads_back(pages: int) -> None:
    with unruly(paged(lambda url, page: url + TREE.format(page % pages))) as server:
        assert "leads back to a page that was read already" in listed(server).message
    assert len(server.requests) == pages + 1


def test_a_list_that_goes_on_at_another_server() -> None:
    """The token is for the first one alone."""
    with unruly(paged(lambda url, page: url)) as other:
        with unruly(paged(lambda url, page: other.url + TREE.format(page))) as server:
            assert f"goes on at another server, {other.url[: other.url.rindex(':')]}" in listed(server).message
        assert not other.requests


def test_a_list_that_was_left_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubslice.hub.pages.MOST", 2)
    with unruly(paged(lambda url, page: url + TREE.format(page))) as server:
        client = Client(endpoint=server.url, token="hf_x")
        for _ in range(5):
            assert next(iter(client.api.list_repo_tree("a/b", recursive=True)))


LONGER, PACKED = f"more than the {SIZE:,} bytes", "in the encoding 'gzip', which was not asked for"


@pytest.mark.parametrize(
    ("encoding", "head_encoding", "why"), [("", "", LONGER), ("", "gzip", LONGER), ("gzip", "", PACKED)]
)
def test_a_file_that_goes_on(
    encoding: str, head_encoding: str, why: str, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is a plain download that has no end here; for Xet see test_xet_faults.py.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with unruly(endless_file(encoding, head_encoding)) as server:
        use(monkeypatch, server.url, tmp_path, TOKEN)
        says = ("config.json of a/b", server.url, why, "HF_ENDPOINT")
        refuse(refused, "pull", "a/b", "--out", "out", says=says)
    assert server.sent < 64 * MIB
    held = sum(path.stat().st_size for path in (tmp_path / "hf").rglob("*") if path.is_file())
    assert held < 16 * MIB

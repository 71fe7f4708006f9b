"""Lists whose pages have no end, and files that are longer than was said: each is told with its address, soon."""

from __future__ import annotations

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


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_file_that_goes_on(encoding: str, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is a plain download that has no end here; for Xet see test_xet_faults.py.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with unruly(endless_file(encoding)) as server:
        use(monkeypatch, server.url, tmp_path, TOKEN)
        says = ("config.json of a/b", server.url, f"more than the {SIZE} bytes", "HF_ENDPOINT")
        refuse(refused, "pull", "a/b", "--out", "out", says=says)
    assert server.sent < 64 * MIB
    held = sum(path.stat().st_size for path in (tmp_path / "hf").rglob("*") if path.is_file())
    assert held < 16 * MIB

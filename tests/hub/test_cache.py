"""One cache for hubslice and everybody else: what others put there is used, healed if it is spoilt, never deleted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download

from hubslice.core.errors import FetchError, IntegrityError
from hubslice.hub.client import Client
from hubslice.hub.disk_space import missing_bytes
from hubslice.hub.listing import list_files
from hubslice.hub.pull import Fetched, fetch, materialise
from hubslice.hub.ref import HubRef, parse_ref
from tests.fake_hub import Fault, HubServer, on
from tests.hub.conftest import MakeClient, model, spoil, weights

TEACHER, OTHER = (HubRef("", f"alice/{name}") for name in ("teacher", "other"))
FILE = "model.safetensors"
XORBS = ("GET", "^/cas/.*/xorbs/")


@pytest.fixture
def client(hub: HubServer, client_of: MakeClient) -> Client:
    """Of a Hub with two repositories that hold the same weights."""
    for ref in (TEACHER, OTHER):
        hub.seed(ref.repo_id, model() | {"README.md": f"# {ref.repo_id}\n".encode()})
    return client_of()


def by_others(ref: HubRef, client: Client) -> Path:
    """What timm and transformers do: by way of a branch, without looking at a checksum."""
    return Path(hf_hub_download(ref.repo_id, FILE, cache_dir=client.cache_dir, endpoint=client.url, token=False))


def everything(client: Client) -> dict[str, bytes | str]:
    """Where every link leads and what every file of the cache holds, but for locks."""
    assert client.cache_dir is not None
    paths = [path for path in client.cache_dir.rglob("*") if ".locks" not in path.parts and path.suffix != ".lock"]
    return {str(p): str(p.readlink()) if p.is_symlink() else p.read_bytes() for p in paths if not p.is_dir()}


def right(fetched: Fetched) -> bool:
    return (fetched.folder / FILE).read_bytes() == weights()


def downloads(hub: HubServer) -> int:
    return sum(line.startswith("GET /cas/") and "/xorbs/" in line for line in hub.log)


def test_weights_are_shared_among_repositories(hub: HubServer, client: Client) -> None:
    first, second = fetch(TEACHER, client=client), fetch(OTHER, client=client)
    assert right(first)
    assert right(second)
    shared, same = ((each.folder / FILE).resolve() for each in (first, second))
    assert shared == same
    assert shared.parents[1] == client.cache_dir / "blobs"  # type: ignore[operator]
    assert downloads(hub) == 1


@pytest.mark.parametrize("first", ["hubslice", "others"])
def test_others_before_and_after(first: str, hub: HubServer, client: Client) -> None:
    if first == "others":
        by_others(TEACHER, client)
    before = everything(client)
    assert right(fetch(TEACHER, client=client))
    after = everything(client)
    assert before.items() <= after.items()
    assert by_others(TEACHER, client).read_bytes() == weights()
    assert everything(client) == after
    assert downloads(hub) == 1


def test_spoilt_weights_are_healed_for_everybody(hub: HubServer, client: Client) -> None:
    theirs = by_others(OTHER, client)
    spoil(theirs, weights(3.0))
    assert right(fetch(TEACHER, client=client))  # the cache gives it the same, spoilt file
    assert theirs.read_bytes() == weights()
    assert theirs.readlink().name == (fetch(TEACHER, client=client).folder / FILE).readlink().name
    assert downloads(hub) == 2


@pytest.mark.parametrize("kept", [b"", weights()[:-1], weights() + b"x"], ids=["empty", "short", "long"])
def test_weights_of_another_length(kept: bytes, hub: HubServer, client: Client) -> None:
    spoil(fetch(TEACHER, client=client).folder / FILE, kept)
    assert right(fetch(TEACHER, client=client))


def test_a_spoilt_regular_file_is_healed(client: Client) -> None:
    fetched = fetch(TEACHER, client=client)
    good = (fetched.folder / "config.json").read_bytes()
    spoil(fetched.folder / "config.json", b"{}")
    assert (fetch(TEACHER, client=client).folder / "config.json").read_bytes() == good


def test_a_run_gets_the_healed_weights(client: Client, tmp_path: Path) -> None:
    """Its teacher is a hard link to what was spoilt."""
    fetched = fetch(TEACHER, client=client)
    materialise(fetched, tmp_path / "run")
    spoil(fetched.folder / FILE, weights(3.0))
    assert (tmp_path / "run" / FILE).read_bytes() == weights(3.0)
    materialise(fetch(TEACHER, client=client), tmp_path / "run")
    assert (tmp_path / "run" / FILE).read_bytes() == weights()


def test_what_comes_wrong_once_is_fetched_again(hub: HubServer, client: Client) -> None:
    """hf_xet does not look at checksums of what it downloads."""
    lay_wrong_bytes(hub, times=1)
    assert right(fetch(TEACHER, client=client))
    assert downloads(hub) == 2


def lay_wrong_bytes(hub: HubServer, times: int | None) -> None:
    file = hub.store.commit(hub.repo("alice/teacher"), "main").tree[FILE]
    assert hub.xet.hash_of(file)
    (xorb,) = (hub.xet.cas.root / "xorbs").iterdir()
    content = bytearray(xorb.read_bytes())
    content[len(weights()) // 2] ^= 1
    hub.faults.append(Fault(on(*XORBS), body=bytes(content), times=times))


def test_what_stays_wrong_is_told_and_nothing_deleted(hub: HubServer, client: Client) -> None:
    lay_wrong_bytes(hub, times=None)
    with pytest.raises(IntegrityError, match=r"model\.safetensors of alice/teacher is not the file") as caught:
        fetch(TEACHER, client=client)
    assert "it came wrong twice" in str(caught.value.hint)
    left = everything(client)
    with pytest.raises(IntegrityError):
        fetch(TEACHER, client=client)
    assert everything(client).keys() == left.keys()
    hub.faults.clear()
    assert right(fetch(TEACHER, client=client))


def test_the_command_in_the_hint_takes_out_one_repository(hub: HubServer, client: Client) -> None:
    theirs = by_others(OTHER, client)
    lay_wrong_bytes(hub, times=None)
    spoil(theirs, weights(3.0))
    with pytest.raises(IntegrityError) as caught:
        fetch(TEACHER, client=client)
    command = str(caught.value.hint).rpartition(": ")[2].split()
    assert command[:3] == ["hf", "cache", "rm"]
    hf = Path(sys.executable).with_name("hf")
    given = [*command[1:], "--yes", "--cache-dir", str(client.cache_dir)]
    done = subprocess.run([hf, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list((client.cache("alice/teacher") / "snapshots").rglob(FILE))
    assert theirs.is_file()
    hub.faults.clear()
    assert right(fetch(TEACHER, client=client))


def test_a_listing_that_errs_does_no_harm(hub: HubServer, client: Client) -> None:
    """What the cache holds is what it is called; it is not fetched again because the Hub contradicts itself."""
    theirs = by_others(TEACHER, client)
    before, count = everything(client), downloads(hub)
    listing = list_files(TEACHER, client)
    body = client.api.model_info("alice/teacher", files_metadata=True)
    true = str(listing.files[FILE].sha256)
    siblings = [
        {"rfilename": s.rfilename, "size": s.size, "blobId": s.blob_id}
        | ({"lfs": {"sha256": "0" * 64, "size": s.size, "pointerSize": 9}} if s.rfilename == FILE else {})
        for s in body.siblings or []
    ]
    answer = {"id": "alice/teacher", "sha": listing.commit, "siblings": siblings}
    hub.faults.append(Fault(on("GET", "^/api/models/alice/teacher$"), body=json.dumps(answer).encode(), times=None))
    with pytest.raises(IntegrityError, match=rf"expected .* sha256 0+, found .* {true}") as caught:
        fetch(TEACHER, client=client)
    assert "do not agree" in str(caught.value.hint)
    assert theirs.read_bytes() == weights()
    assert before.items() <= everything(client).items()
    assert downloads(hub) == count


def test_offline_nothing_is_changed(hub: HubServer, client: Client, offline: Callable[[], None]) -> None:
    fetched = fetch(TEACHER, client=client)
    spoil(fetched.folder / FILE, weights(3.0))
    before, requests = everything(client), len(hub.log)
    offline()
    with pytest.raises(IntegrityError, match="is not the file") as caught:
        fetch(TEACHER, client=client)
    assert f"fetch it anew while online: hubslice pull alice/teacher@{fetched.commit}" in str(caught.value.hint)
    assert (everything(client), len(hub.log)) == (before, requests)


@pytest.mark.parametrize("setting", ["HF_HUB_DISABLE_SHARED_BLOBS", "HF_HUB_DISABLE_SYMLINKS", "HF_HUB_DISABLE_XET"])
def test_caches_of_other_settings(
    setting: str, client: Client, monkeypatch: pytest.MonkeyPatch, offline: Callable[[], None]
) -> None:
    """Older clients link to a file in the repository's own folder; where there are no links, copies lie there."""
    monkeypatch.setattr(f"huggingface_hub.constants.{setting}", True)
    online = fetch(TEACHER, client=client)
    assert not (client.cache("x/y").parent / "blobs").exists()
    assert (online.folder / FILE).is_symlink() == (setting != "HF_HUB_DISABLE_SYMLINKS")
    for still in (True, False):  # and the present settings take it over
        monkeypatch.setattr(f"huggingface_hub.constants.{setting}", still)
        assert fetch(TEACHER, client=client) == online
        spoil(online.folder / FILE, weights(3.0))
        assert right(fetch(TEACHER, client=client))
    offline()
    assert fetch(TEACHER, client=client) == online


def test_a_shared_file_that_is_gone(client: Client, offline: Callable[[], None]) -> None:
    fetched = fetch(TEACHER, client=client)
    (fetched.folder / FILE).resolve().unlink()
    assert right(fetch(TEACHER, client=client))
    (fetched.folder / FILE).resolve().unlink()
    offline()
    with pytest.raises(FetchError, match="the cache holds only a part of it"):
        fetch(TEACHER, client=client)


def test_a_folder_of_its_own(hub: HubServer, client: Client, tmp_path: Path) -> None:
    """`hf download --local-dir`: no links, and a folder of the client's beside the model."""
    folder = tmp_path / "local"
    snapshot_download("alice/teacher", local_dir=folder, cache_dir=client.cache_dir, endpoint=client.url, token=False)
    assert right(fetch(parse_ref(str(folder), tmp_path)))


def test_the_shared_folder_is_no_repository(client: Client) -> None:
    fetch(TEACHER, client=client)
    assert (client.cache("x/y").parent / "blobs").is_dir()
    assert [repo.repo_id for repo in scan_cache_dir(client.cache_dir).repos] == ["alice/teacher"]


def test_what_another_repository_holds_needs_no_room(
    client: Client, monkeypatch: pytest.MonkeyPatch, hub: HubServer
) -> None:
    fetch(TEACHER, client=client)
    listing = list_files(OTHER, client)
    assert missing_bytes(listing, [FILE], client) == len(weights())  # as far as the listing tells
    monkeypatch.setattr("hubslice.hub.disk_space.free_bytes", lambda _: 200)  # the small files
    assert right(fetch(OTHER, client=client))
    hub.seed("alice/new", model(5.0))
    with pytest.raises(FetchError, match="are still to be downloaded"):
        fetch(HubRef("", "alice/new"), client=client)


def test_a_link_that_we_made_in_error_goes_again(hub: HubServer, client: Client) -> None:
    """The Hub calls a file otherwise than it lists it; offline it would be taken for damaged."""
    hub.faults.append(Fault(on("HEAD", f"{FILE}$"), headers={"ETag": "1" * 64, "X-Linked-Etag": "1" * 64}))
    with pytest.raises(IntegrityError, match=f"gives it as the file {'1' * 64}") as caught:
        fetch(TEACHER, client=client)
    assert "run it again" in str(caught.value.hint)
    assert right(fetch(TEACHER, client=client))


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_another_commit_s_files_stay_where_a_mirror_mixes_up_commits(
    links: bool, hub: HubServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_SYMLINKS", not links)
    first = hub.commits("alice/teacher")[0].oid
    folder = snapshot_download("alice/teacher", cache_dir=client.cache_dir, endpoint=client.url, token=False)
    assert (Path(folder) / FILE).is_symlink() == links
    hub.seed("alice/teacher", {"README.md": b"# Two\n"})
    before = everything(client)
    hub.faults.append(Fault(on("HEAD", "alice/teacher/resolve"), headers={"X-Repo-Commit": first}, times=None))
    with pytest.raises(IntegrityError, match=f"of commit {first}"):
        fetch(TEACHER, client=client)
    assert before.items() <= everything(client).items()
    hub.faults.clear()
    assert right(fetch(TEACHER, client=client))

"""Large files by Xet: what the Hub and its storage say to each other and to hf_xet, and what nobody would send."""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import hf_xet
import pytest

from tests.fake_hub import Fault, HubServer, on
from tests.fake_hub.raw import ask, commit, large
from tests.fake_hub.xet.shards import read_files
from tests.fake_hub.xet.xorbs import chunks

REPO = "alice/model"
FILE = "model.safetensors"
CONTENT = random.Random(0).randbytes(400_000)  # several chunks
TOKEN = f"/api/models/{REPO}/xet-read-token/main"
RESOLVE = f"/{REPO}/resolve/main/{FILE}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def xet_hash(hub: HubServer, repo: str = REPO, path: str = FILE) -> str:
    return str(ask(hub, "HEAD", f"/{repo}/resolve/main/{path}").headers["X-Xet-Hash"])


def upload(hub: HubServer, content: bytes, sha256: str | None = None) -> str:
    """By hf_xet; gives the SHA-256 that it names, by default the right one."""
    sha256 = sha256 or hashlib.sha256(content).hexdigest()
    url, *token = (hub.xet.url, *hub.xet.token("write"))
    with hf_xet.XetSession().new_upload_commit(url, *token) as transfer:
        transfer.start_upload_bytes(content, sha256=sha256)
    return sha256


def test_a_seeded_file_is_offered_by_xet(hub: HubServer) -> None:
    head = hub.seed(REPO, {FILE: CONTENT, "config.json": b"{}"})
    reply = ask(hub, "HEAD", RESOLVE, token=None)
    assert reply.headers["Link"] == f'<{hub.url}/api/models/{REPO}/xet-read-token/{head.oid}>; rel="xet-auth"'
    found = reply.headers["X-Xet-Hash"]
    rows = {row["path"]: row for row in ask(hub, "GET", f"/api/models/{REPO}/tree/main", token=None).json}
    assert rows[FILE]["xetHash"] == found == hf_hash(hub, CONTENT)
    assert "xetHash" not in rows["config.json"]
    assert ask(hub, "HEAD", f"/{REPO}/resolve/main/config.json").headers["X-Xet-Hash"] is None


def hf_hash(hub: HubServer, content: bytes) -> str:
    """What hf_xet itself makes of a content."""
    path = hub.store.root / "content"
    path.write_bytes(content)
    (found,) = hf_xet.hash_files([str(path)])
    return str(found.hash)


def test_without_xet_no_file_is_offered_by_it(tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub", storage="lfs") as hub:
        hub.seed(REPO, {FILE: CONTENT})
        assert ask(hub, "HEAD", RESOLVE, token=None).headers["X-Xet-Hash"] is None
        (_, row) = ask(hub, "GET", f"/api/models/{REPO}/tree/main", token=None).json
        assert (row["path"], "xetHash" in row) == (FILE, False)


def test_attributes_say_which_files_are_large(hub: HubServer) -> None:
    hub.seed(REPO, {FILE: CONTENT, ".gitattributes": b""})
    reply = ask(hub, "HEAD", RESOLVE, token=None)
    assert (reply.headers["X-Xet-Hash"], reply.headers["X-Linked-Etag"]) == (None, None)


@pytest.mark.parametrize(("start", "stop"), [(0, 400_000), (1, 2), (150_000, 399_999), (399_999, 400_000)])
def test_ranges_of_a_file(start: int, stop: int, hub: HubServer) -> None:
    hub.seed(REPO, {FILE: CONTENT})
    info = hf_xet.XetFileInfo(xet_hash(hub), len(CONTENT))
    group = hf_xet.XetSession().new_download_stream_group(hub.xet.url, *hub.xet.token("read"))
    assert b"".join(group.download_stream(info, start=start, end=stop)) == CONTENT[start:stop]


def test_files_share_chunks(hub: HubServer) -> None:
    """A file whose middle is another's: its terms lie in several xorbs."""
    other = b"new" * 40_000 + CONTENT + b"end" * 40_000
    with hf_xet.XetSession().new_upload_commit(hub.xet.url, *hub.xet.token("write")) as transfer:
        transfer.start_upload_bytes(CONTENT, sha256=hashlib.sha256(CONTENT).hexdigest())
    sha256 = upload(hub, other)
    hub.seed(REPO, {})
    assert commit(hub, REPO, [large(FILE, sha256, len(other))]).status == 200
    assert ask(hub, "GET", RESOLVE).body == other
    assert xet_hash(hub) == hf_hash(hub, other)


def test_an_upload_is_read_by_plain_http_too(hub: HubServer) -> None:
    hub.seed(REPO, {})
    sha256 = upload(hub, CONTENT)
    assert hub.store.objects.size(sha256) is None
    assert commit(hub, REPO, [large(FILE, sha256, len(CONTENT))]).status == 200
    assert ask(hub, "GET", RESOLVE, token=None).body == CONTENT
    part = ask(hub, "GET", RESOLVE, token=None, headers={"Range": "bytes=100-199"})
    assert (part.status, part.body) == (206, CONTENT[100:200])


def test_a_false_sha256_is_refused(hub: HubServer) -> None:
    hub.seed(REPO, {})
    sha256 = upload(hub, CONTENT, "0" * 64)
    refused = commit(hub, REPO, [large(FILE, sha256, len(CONTENT))])
    assert refused.status == 400
    assert "has the SHA-256" in refused.json["error"]
    assert FILE not in hub.files(REPO)


@pytest.mark.parametrize(
    ("route", "token", "status"),
    [
        ("read", None, 401),
        ("read", "hf_bob", 404),
        ("read", "hf_reader", 200),
        ("write", "hf_reader", 403),
        ("write", "hf_alice", 200),
    ],
)
def test_tokens_of_a_private_repo(route: str, token: str | None, status: int, hub: HubServer) -> None:
    hub.seed("alice/secret", {FILE: CONTENT}, private=True)
    reply = ask(hub, "GET", f"/api/models/alice/secret/xet-{route}-token/main", token=token)
    assert reply.status == status
    assert (reply.headers["X-Xet-Access-Token"] is None) == (status != 200)


def test_tokens_of_a_gated_repo(hub: HubServer) -> None:
    hub.seed(REPO, {FILE: CONTENT})
    with hub.store.edit("models", REPO) as repo:
        repo.gated = "manual"
    assert ask(hub, "GET", TOKEN, token="hf_bob").status == 403
    assert ask(hub, "GET", TOKEN, token="hf_alice").status == 200
    assert ask(hub, "GET", TOKEN.replace("main", "absent")).status == 404


def test_the_storage_has_tokens_of_its_own(hub: HubServer) -> None:
    hub.seed(REPO, {FILE: CONTENT})
    reading, found = ask(hub, "GET", TOKEN, token=None).json["accessToken"], xet_hash(hub)
    address = f"{hub.xet.url}/v1/reconstructions/{found}"
    for wrong in (
        {},
        bearer("hf_alice"),
        bearer(f"{reading}0"),
        bearer("read:9999999999:"),
        {"Authorization": reading},
    ):
        assert ask(hub, "GET", address, token=None, headers=wrong).status == 401
    plan = ask(hub, "GET", address, token=None, headers=bearer(reading)).json
    ((part,),) = plan["fetch_info"].values()
    assert ask(hub, "GET", part["url"], token=None).status == 200
    assert ask(hub, "GET", part["url"].replace("signature=", "signature=0"), token=None).status == 403
    refused = ask(hub, "POST", f"{hub.xet.url}/v1/xorbs/default/{found}", b"", token=None, headers=bearer(reading))
    assert refused.status == 401  # it may only read


def test_what_is_malformed_is_refused(hub: HubServer) -> None:
    token = bearer(hub.xet.token("write")[0])
    names = {"a hash": "0" * 64, "none": "x"}
    for body, name in ((b"\0\xff\0\0\0\0\0\0", "a hash"), (b"\7" * 40, "a hash"), (b"", "none")):
        reply = ask(hub, "POST", f"{hub.xet.url}/v1/xorbs/default/{names[name]}", body, token=None, headers=token)
        assert reply.status == 400
    for shard in (bytes(48), bytes(60), bytes(48) + struct.pack("<32sII8x", b"f" * 32, 0, 5)):
        assert ask(hub, "POST", f"{hub.xet.url}/v1/shards", shard, token=None, headers=token).status == 400
    file = struct.pack("<32sII8x", b"f" * 32, 0, 1) + struct.pack("<32s4I", b"x" * 32, 0, 9, 0, 1)
    shard = bytes(48) + file + b"\xff" * 32 + bytes(16)
    assert [each.size for each in read_files(shard)] == [9]
    refused = ask(hub, "POST", f"{hub.xet.url}/v1/shards", shard, token=None, headers=token)
    assert "were not uploaded" in refused.json["error"]
    absent = ask(hub, "GET", f"{hub.xet.url}/v1/reconstructions/{'1' * 64}", token=None, headers=token)
    assert absent.status == 404


def test_chunks_end_where_the_rest_of_a_xorb_begins() -> None:
    chunk = b"\0\3\0\0\0\3\0\0abc"
    assert [(each.start, each.stop, each.length) for each in chunks(chunk * 2 + b"XETBLOB\1rest")] == [
        (0, 11, 3),
        (11, 22, 3),
    ]


CLIENT = """
import json, sys
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download
api = HfApi()
api.create_repo("alice/pushed")
api.upload_file(path_or_fileobj=sys.argv[1], path_in_repo="model.safetensors", repo_id="alice/pushed")
found = Path(hf_hub_download("alice/pushed", "model.safetensors"))
print(json.dumps([found.readlink().name, str(found.resolve().relative_to(found.parents[3])), str(found)]))
"""


@pytest.mark.parametrize("lost", [False, True])
def test_a_client_by_its_defaults(lost: bool, hub: HubServer, tmp_path: Path) -> None:
    """Up, down, and into the folder that repositories share, also where the transfer is cut in its middle."""
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    if lost:
        hub.faults.append(Fault(on("GET", "^/cas/.*/xorbs/"), cut_after=100_000))
        hub.faults.append(Fault(on("POST", "^/cas/.*/v1/xorbs/"), status=500))
    env = os.environ | hub.env(tmp_path / "home", "hf_alice")
    command = [sys.executable, "-c", CLIENT, str(source)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    name, place, path = json.loads(done.stdout)
    assert name == hashlib.sha256(CONTENT).hexdigest()
    assert place == f"blobs/{xet_hash(hub, 'alice/pushed')[:2]}/{xet_hash(hub, 'alice/pushed')}"
    assert Path(path).read_bytes() == CONTENT == hub.files("alice/pushed")[FILE]
    assert not [line for line in hub.log if "/resolve/" in line and line.startswith("GET")]
    assert [fault.hits for fault in hub.faults] == ([1, 1] if lost else [])


def test_other_bytes_can_be_given(hub: HubServer) -> None:
    head = hub.seed(REPO, {FILE: CONTENT})
    before = xet_hash(hub)
    assert hub.exchange(head.tree[FILE].sha256, bytes(400_000)) == CONTENT
    assert ask(hub, "GET", RESOLVE).body == bytes(400_000)
    assert xet_hash(hub) == hf_hash(hub, bytes(400_000)) != before

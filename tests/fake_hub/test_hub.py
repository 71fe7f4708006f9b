"""The protocol, by plain HTTP: what clients rely on and what no client would send."""

from __future__ import annotations

import http.client
import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fake_hub import HubServer, User
from tests.fake_hub.raw import ask, commit, large, text, upload_address

CONTENT = bytes(range(100))
REPO = "alice/model"


@pytest.fixture
def head(hub: HubServer) -> str:
    """The commit of a repo with a large and a regular file."""
    hub.seed("alice/secret", {"a.txt": b"a"}, private=True)
    return hub.seed(REPO, {"model.safetensors": CONTENT, "notes.txt": b"notes", "data/a.txt": b"a"}).oid


@pytest.mark.parametrize(
    ("wanted", "status", "expected"),
    [
        (None, 200, CONTENT),
        ("bytes=10-19", 206, CONTENT[10:20]),
        ("bytes=90-", 206, CONTENT[90:]),
        ("bytes=-5", 206, CONTENT[-5:]),
        ("bytes=95-1000", 206, CONTENT[95:]),
        ("bytes=100-", 416, None),
        ("lines=1-2", 200, CONTENT),
    ],
)
def test_ranges(hub: HubServer, head: str, wanted: str | None, status: int, expected: bytes | None) -> None:
    headers = {"Range": wanted} if wanted else {}
    reply = ask(hub, "GET", f"/{REPO}/resolve/main/model.safetensors", token=None, headers=headers)
    assert reply.status == status
    if expected is None:
        assert reply.headers["Content-Range"] == "bytes */100"
        return
    assert reply.body == expected
    if status == 206:
        start = CONTENT.index(expected)
        assert reply.headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/100"


def test_head_of_a_file_names_commit_hash_and_size(hub: HubServer, head: str) -> None:
    file = hub.store.commit(hub.repo(REPO), "main").tree["model.safetensors"]
    reply = ask(hub, "HEAD", f"/{REPO}/resolve/main/model.safetensors", token=None)
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["X-Repo-Commit"] == head
    assert reply.headers["X-Linked-Etag"] == f'"{file.sha256}"'
    assert reply.headers["X-Linked-Size"] == reply.headers["Content-Length"] == "100"
    regular = ask(hub, "HEAD", f"/{REPO}/resolve/main/notes.txt", token=None)
    assert regular.headers["ETag"] == '"3041adec9105ce2abb98307afd1f4aeb2e97c504"'  # as `git hash-object` says
    assert regular.headers["X-Linked-Etag"] is None


@pytest.mark.parametrize(
    ("method", "target", "token", "status", "code"),
    [
        ("GET", "/api/models/alice/absent", None, 401, "RepoNotFound"),
        ("GET", "/api/models/alice/absent", "hf_alice", 404, "RepoNotFound"),
        ("GET", "/api/models/alice/secret", None, 401, "RepoNotFound"),
        ("GET", "/api/models/alice/secret", "hf_bob", 404, "RepoNotFound"),
        ("GET", "/alice/secret/resolve/main/a.txt", "hf_bob", 404, "RepoNotFound"),
        ("POST", "/api/models/alice/secret/commit/main", "hf_bob", 404, "RepoNotFound"),
        ("GET", "/api/models/alice/model", "hf_unknown", 401, "Unauthorized"),
        ("GET", "/api/whoami-v2", None, 401, "Unauthorized"),
        ("GET", "/api/models/alice/model/revision/absent", None, 404, "RevisionNotFound"),
        ("GET", "/api/models/alice/model/tree/refs%2Fpr%2F7", None, 404, "RevisionNotFound"),
        ("GET", "/alice/model/resolve/main/absent.txt", None, 404, "EntryNotFound"),
        ("GET", "/api/models/alice/model/tree/main/no%2Fsuch", None, 404, "EntryNotFound"),
        ("POST", "/api/models/alice/model/commit/main", None, 401, "Unauthorized"),
        ("POST", "/api/models/alice/model/commit/main", "hf_reader", 403, "Forbidden"),
        ("POST", "/api/models/alice/model/commit/main", "hf_alice", 400, "BadRequest"),
        ("DELETE", "/api/models/alice/model/branch/main", "hf_alice", 403, "Forbidden"),
        ("GET", "/api/models/alice/model/discussions/9", None, 404, "DiscussionNotFound"),
        ("GET", "/api/agent-harnesses", None, 404, "RouteNotFound"),
    ],
)
def test_refusals(
    hub: HubServer, head: str, method: str, target: str, token: str | None, status: int, code: str
) -> None:
    reply = ask(hub, method, target, token=token)
    assert (reply.status, reply.headers["X-Error-Code"]) == (status, code)
    assert reply.headers["X-Error-Message"] == reply.json["error"]


def test_hidden_repos_are_not_listed(hub: HubServer, head: str) -> None:
    assert [row["id"] for row in ask(hub, "GET", "/api/models", token="hf_bob").json] == [REPO]
    assert [row["id"] for row in ask(hub, "GET", "/api/models").json] == [REPO, "alice/secret"]


def test_a_missing_file_names_the_commit_that_lacks_it(hub: HubServer, head: str) -> None:
    assert ask(hub, "HEAD", f"/{REPO}/resolve/main/absent").headers["X-Repo-Commit"] == head


def test_long_lists_come_in_pages(hub: HubServer) -> None:
    for number in range(5):
        hub.seed(f"alice/model-{number}", {})
    found, target = [], "/api/models?author=alice&limit=2"
    while target:
        reply = ask(hub, "GET", target)
        found += [row["id"] for row in reply.json]
        link = reply.headers["Link"]
        target = link.partition(">")[0].removeprefix("<") if link else ""
    assert found == [f"alice/model-{number}" for number in range(5)]


def test_preupload_tells_mode_and_present_content(hub: HubServer, head: str) -> None:
    hub.seed(REPO, {".gitignore": b"*.log\nbuild/\n"})
    paths = ("model.safetensors", "notes.txt", "new.bin", "big.txt", "run.log", "build/x.txt", "empty.bin")
    sizes = {"big.txt": 11 * 2**20, "empty.bin": 0}
    files = [{"path": path, "sample": "", "size": sizes.get(path, 1)} for path in paths]
    rows = {
        row["path"]: row
        for row in ask(hub, "POST", f"/api/models/{REPO}/preupload/main", {"files": files}).json["files"]
    }
    assert {path for path, row in rows.items() if row["uploadMode"] == "lfs"} == {
        "model.safetensors",
        "new.bin",
        "big.txt",
    }
    assert {path for path, row in rows.items() if row["shouldIgnore"]} == {"run.log", "build/x.txt"}
    tree = hub.store.commit(hub.repo(REPO), "main").tree
    assert rows["model.safetensors"]["oid"] == tree["model.safetensors"].sha256
    assert rows["notes.txt"]["oid"] == tree["notes.txt"].oid
    assert "oid" not in rows["new.bin"]


def test_uploads_are_checked(hub: HubServer, head: str) -> None:
    oid, address = upload_address(hub, REPO, b"weights")
    assert address is not None
    assert ask(hub, "PUT", address, b"w_ights", token=None).status == 400
    assert ask(hub, "PUT", address.replace("signature=", "signature=0"), b"weights", token=None).status == 403
    refused = commit(hub, REPO, [large("w.bin", oid, 7)])
    assert (refused.status, refused.json["error"]) == (400, f"w.bin: no object {oid} was uploaded")
    assert ask(hub, "PUT", address, b"weights", token=None).status == 200
    assert commit(hub, REPO, [large("w.bin", oid, 8)]).json["error"] == "w.bin: the object has 7 bytes, not 8"
    assert commit(hub, REPO, [large("w.bin", oid, 7)]).status == 200
    assert hub.files(REPO)["w.bin"] == b"weights"
    assert upload_address(hub, REPO, b"weights") == (oid, None)
    verify = f"/{REPO}.git/info/lfs/objects/verify"
    assert ask(hub, "POST", verify, {"oid": oid, "size": 7}).status == 200
    assert ask(hub, "POST", verify, {"oid": oid, "size": 8}).status == 404
    assert (
        ask(hub, "POST", f"/{REPO}.git/info/lfs/objects/batch", {"operation": "upload"}, token="hf_reader").status
        == 403
    )


def test_uploads_in_chunks(hub: HubServer, head: str) -> None:
    content = b"0123456789" * 1000

    def pieces() -> Iterator[bytes]:
        yield from (content[start : start + 777] for start in range(0, len(content), 777))

    oid, address = upload_address(hub, REPO, content)
    assert address is not None
    assert ask(hub, "PUT", address, pieces(), token=None, headers={"Transfer-Encoding": "chunked"}).status == 200
    assert hub.store.objects.read(oid) == content


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (text("README.md", "---\nlicense: [mit\n---\n"), "Invalid metadata in README.md"),
        (text("../up.txt", ""), "Invalid path in repo: '../up.txt'"),
        (text(".git/config", ""), "Invalid path in repo: '.git/config'"),
        (text("data", ""), "data cannot be both a file and a folder"),
        (("deletedFile", {"path": "absent"}), "A file with this name doesn't exist: absent"),
        (("file", {"path": "a"}), "Malformed commit: KeyError('content')"),
        (("renamedFile", {"path": "a"}), "Unknown operation: renamedFile"),
    ],
)
def test_bad_commits_change_nothing(
    hub: HubServer, head: str, operation: tuple[str, dict[str, str]], message: str
) -> None:
    reply = commit(hub, REPO, [text("good.txt", "good"), operation])
    assert reply.status in (400, 404)
    assert reply.json["error"] == message
    assert hub.commits(REPO)[0].oid == head


def test_a_bad_card_is_refused_with_its_faults(hub: HubServer, head: str) -> None:
    content = "---\nlicense: 1\ntags: pruned\n---\n"
    for reply in (
        commit(hub, REPO, [text("README.md", content)]),
        ask(hub, "POST", "/api/validate-yaml", {"content": content, "repoType": "model"}, token=None),
    ):
        assert reply.status == 400
        assert [fault["message"].split()[0] for fault in reply.json["errors"]] == ['"tags"', '"license"']


def test_concurrent_commits_all_land(hub: HubServer, head: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: commit(hub, REPO, [text(f"{n}.txt", str(n))]), range(24)))
    assert {reply.status for reply in replies} == {200}
    assert {commit.oid for commit in hub.commits(REPO)} >= {reply.json["commitOid"] for reply in replies}
    assert {f"{n}.txt" for n in range(24)} <= hub.files(REPO).keys()
    assert len(hub.commits(REPO)) == 26


def test_of_concurrent_commits_with_one_parent_one_lands(hub: HubServer, head: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: commit(hub, REPO, [text("a", str(n))], parent=head), range(8)))
    assert Counter(reply.status for reply in replies) == {200: 1, 412: 7}
    assert commit(hub, REPO, [text("a", "next")], parent=hub.commits(REPO)[0].oid[:7]).status == 200


def test_a_connection_survives_a_refusal(hub: HubServer, head: str) -> None:
    with closing(http.client.HTTPConnection(urlsplit(hub.url).netloc, timeout=10)) as connection:
        for path, status in itertools.islice(itertools.cycle([("/nowhere", 404), (f"/api/models/{REPO}", 404)]), 4):
            connection.request("POST", path, b"a body that nobody reads" * 9999)
            response = connection.getresponse()
            response.read()
            assert response.status == status


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    tokens = {"hf_alice": User("alice")}
    with HubServer(tmp_path, tokens) as hub:
        head = hub.seed(REPO, {"w.bin": CONTENT}, private=True).oid
        ask(hub, "POST", f"/api/models/{REPO}/tag/main", {"tag": "v1"})
        ask(
            hub, "POST", f"/api/models/{REPO}/discussions", {"title": "A draft", "description": "", "pullRequest": True}
        )
        before = hub.repo(REPO)
    with HubServer(tmp_path, tokens) as hub:
        assert hub.repo(REPO) == before
        assert hub.files(REPO, "v1") == hub.files(REPO, head) == hub.files(REPO, "refs/pr/1")
        assert hub.files(REPO)["w.bin"] == CONTENT
        assert ask(hub, "GET", f"/api/models/{REPO}").json["private"] is True
        assert commit(hub, REPO, [text("more.txt", "more")], parent=head).status == 200


def test_a_folder_can_be_seeded(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "source" / "sub").mkdir(parents=True)
    (tmp_path / "source" / "sub" / "w.bin").write_bytes(CONTENT)
    hub.seed("timm/teacher", tmp_path / "source", message="Teacher", kind="datasets")
    files = hub.files("timm/teacher", kind="datasets")
    assert set(files) == {".gitattributes", "sub/w.bin"}
    assert hub.commits("timm/teacher", kind="datasets")[0].title == "Teacher"


def test_standalone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fake_hub", "--root", str(tmp_path), "--token", "hf_x=xenia:read"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().strip()).netloc
        with closing(http.client.HTTPConnection(address, timeout=10)) as connection:
            connection.request("GET", "/api/whoami-v2", headers={"Authorization": "Bearer hf_x"})
            assert b'"name": "xenia"' in connection.getresponse().read()
        process.terminate()

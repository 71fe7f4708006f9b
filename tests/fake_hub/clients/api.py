"""What `huggingface_hub` does with a Hub; alice may write to `alice` and `lab`, bob is somebody else."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    ModelCard,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

ALICE, READER, BOB = HfApi(token="hf_alice"), HfApi(token="hf_reader"), HfApi(token="hf_bob")
ANYONE, UNKNOWN = HfApi(token=False), HfApi(token="hf_unknown")
CARD = "---\nlicense: apache-2.0\nlibrary_name: timm\ntags:\n- pruned\nbase_model: timm/teacher\n---\n# A student\n"


def add(path: str, content: bytes | str) -> CommitOperationAdd:
    return CommitOperationAdd(path, content.encode() if isinstance(content, str) else content)


def repos(folder: Path) -> None:
    url = ALICE.create_repo("alice/one", private=True)
    assert url.repo_id == "alice/one"
    assert ALICE.create_repo("one", exist_ok=True) == url
    with pytest.raises(HfHubHTTPError) as conflict:
        ALICE.create_repo("alice/one")
    assert conflict.value.response.status_code == 409
    ALICE.create_repo("lab/data", repo_type="dataset")
    assert ALICE.dataset_info("lab/data").id == "lab/data"
    with pytest.raises(RepositoryNotFoundError):
        ALICE.model_info("lab/data")
    for api in (BOB, ANYONE):
        assert not api.repo_exists("alice/one")
        with pytest.raises(RepositoryNotFoundError):
            api.auth_check("alice/one")
    ALICE.update_repo_settings("alice/one", private=False)
    assert ANYONE.repo_exists("alice/one")
    ALICE.move_repo("alice/one", "lab/two")
    assert not ALICE.repo_exists("alice/one")
    with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
        BOB.delete_repo("lab/two")
    ALICE.delete_repo("lab/two")
    with pytest.raises(RepositoryNotFoundError):
        ALICE.delete_repo("lab/two")


def tokens(folder: Path) -> None:
    me = ALICE.whoami()
    assert (me["name"], me["auth"]["accessToken"]["role"], me["orgs"][0]["name"]) == ("alice", "write", "lab")
    ALICE.create_repo("alice/tokens")
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        UNKNOWN.whoami()
    with pytest.raises(HfHubHTTPError, match="Invalid credentials") as unknown:
        UNKNOWN.model_info("alice/tokens")
    assert not isinstance(unknown.value, RepositoryNotFoundError)
    for api in (READER, BOB):
        assert api.model_info("alice/tokens").sha
        with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
            api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="alice/tokens")
        with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
            api.create_tag("alice/tokens", tag="v1")
    with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
        READER.create_repo("alice/more")
    ALICE.auth_check("alice/tokens", write=True)
    with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
        READER.auth_check("alice/tokens", write=True)


def gate(folder: Path) -> None:
    ALICE.create_repo("alice/gated")
    ALICE.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id="alice/gated")
    ALICE.update_repo_settings("alice/gated", gated="manual")
    for api in (BOB, ANYONE):
        assert api.model_info("alice/gated").gated == "manual"
        with pytest.raises(GatedRepoError):
            api.hf_hub_download("alice/gated", "config.json", cache_dir=folder)
    ALICE.grant_access("alice/gated", "bob")
    assert Path(BOB.hf_hub_download("alice/gated", "config.json", cache_dir=folder)).read_text() == "{}"


def push_and_pull(folder: Path) -> None:
    source = folder / "source"
    (source / "sub dir").mkdir(parents=True)
    (source / "README.md").write_text(CARD)
    (source / "config.json").write_text('{"architecture": "test_resnet"}')
    (source / "sub dir" / "notes é.txt").write_text("notes")
    (source / "empty.bin").write_bytes(b"")
    header = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    (source / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(24))
    ALICE.create_repo("alice/push")
    commit = ALICE.upload_folder(repo_id="alice/push", folder_path=source, commit_message="All of it")
    again = ALICE.upload_folder(repo_id="alice/push", folder_path=source)
    assert again.oid == commit.oid
    assert [each.title for each in ALICE.list_repo_commits("alice/push")] == ["All of it", "initial commit"]

    got = Path(snapshot_download("alice/push", token=False, cache_dir=folder / "cache"))
    assert got.name == commit.oid
    for path in source.rglob("*.*"):
        assert (got / path.relative_to(source)).read_bytes() == path.read_bytes()
    assert ANYONE.verify_repo_checksums("alice/push", local_dir=str(source)).mismatches == []

    info = ANYONE.model_info("alice/push", files_metadata=True)
    sizes = {each.rfilename: (each.size, each.lfs is not None) for each in info.siblings or []}
    assert sizes["model.safetensors"] == ((source / "model.safetensors").stat().st_size, True)
    assert sizes["empty.bin"] == (0, False)
    assert info.safetensors is not None
    assert info.safetensors.parameters == {"F32": 6}
    assert info.library_name == "timm"
    assert {"pruned", "license:apache-2.0", "base_model:finetune:timm/teacher", "safetensors"} <= set(info.tags or [])
    assert info.card_data is not None
    assert info.card_data.license == "apache-2.0"
    assert ANYONE.model_info("alice/push", expand=["sha"]).sha == commit.oid
    assert [m.id for m in ANYONE.list_models(author="alice", search="PUSH", filter="pruned")] == ["alice/push"]
    assert list(ANYONE.list_models(author="alice", filter="absent")) == []


def tree(folder: Path) -> None:
    ALICE.create_repo("alice/tree")
    ALICE.create_commit(
        "alice/tree", [add("a/b/c.txt", "c"), add("a/d.txt", "d"), add("e.bin", b"\0" * 9)], commit_message="Add"
    )
    paths = {row.path for row in ANYONE.list_repo_tree("alice/tree")}
    assert paths == {".gitattributes", "a", "e.bin"}
    assert {row.path for row in ANYONE.list_repo_tree("alice/tree", "a/b")} == {"a/b/c.txt"}
    deep = list(ANYONE.list_repo_tree("alice/tree", recursive=True, expand=True))
    assert {row.path for row in deep} == {".gitattributes", "a", "a/b", "a/b/c.txt", "a/d.txt", "e.bin"}
    titles = {row.path: row.last_commit.title for row in deep if row.last_commit}
    assert (titles["a/d.txt"], titles[".gitattributes"]) == ("Add", "initial commit")
    with pytest.raises(EntryNotFoundError):
        list(ANYONE.list_repo_tree("alice/tree", "absent"))
    (found,) = ANYONE.get_paths_info("alice/tree", ["e.bin", "absent"])
    assert found.path == "e.bin"
    assert ANYONE.file_exists("alice/tree", "a/d.txt")
    assert not ANYONE.file_exists("alice/tree", "a")


def commits(folder: Path) -> None:
    ALICE.create_repo("alice/commits")
    first = ALICE.create_commit("alice/commits", [add("a.txt", "a"), add("w.bin", b"w")], commit_message="First")
    ALICE.create_commit(
        "alice/commits", [add("b.txt", "b")], commit_message="Second", parent_commit=first.oid, commit_description="Why"
    )
    with pytest.raises(HfHubHTTPError) as stale:
        ALICE.create_commit("alice/commits", [add("c.txt", "c")], commit_message="Third", parent_commit=first.oid)
    assert stale.value.response.status_code == 412
    ALICE.create_commit(
        "alice/commits",
        [CommitOperationDelete("a.txt"), CommitOperationCopy("w.bin", "copies/w.bin")],
        commit_message="Third",
    )
    assert set(ALICE.list_repo_files("alice/commits")) == {".gitattributes", "b.txt", "copies/w.bin", "w.bin"}
    ALICE.upload_file(path_or_fileobj=io.BytesIO(b"stream"), path_in_repo="s.bin", repo_id="alice/commits")
    ALICE.delete_folder("copies", repo_id="alice/commits")
    assert set(ALICE.list_repo_files("alice/commits")) == {".gitattributes", "b.txt", "s.bin", "w.bin"}
    with pytest.raises(EntryNotFoundError, match="doesn't exist"):
        ALICE.delete_file("a.txt", repo_id="alice/commits")
    assert set(ALICE.list_repo_files("alice/commits", revision=first.oid)) == {".gitattributes", "a.txt", "w.bin"}
    assert ALICE.list_repo_commits("alice/commits")[-3].message == "Why"
    ALICE.super_squash_history("alice/commits")
    assert len(ALICE.list_repo_commits("alice/commits")) == 1


def cards(folder: Path) -> None:
    ALICE.create_repo("alice/cards")
    before = ALICE.model_info("alice/cards").sha
    for head in ("license: [unclosed", "license: 3", "model-index: {}"):
        with pytest.raises(ValueError, match=r"Invalid metadata in README\.md"):
            ALICE.create_commit("alice/cards", [add("README.md", f"---\n{head}\n---\n")], commit_message="Card")
    assert ALICE.model_info("alice/cards").sha == before
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        ALICE.upload_file(path_or_fileobj=b"# No head", path_in_repo="README.md", repo_id="alice/cards")
    ModelCard(CARD).push_to_hub("alice/cards", token="hf_alice")
    assert ModelCard.load("alice/cards").data.base_model == "timm/teacher"


def refs(folder: Path) -> None:
    ALICE.create_repo("alice/refs")
    first = ALICE.upload_file(path_or_fileobj=b"1", path_in_repo="n.txt", repo_id="alice/refs")
    ALICE.create_branch("alice/refs", branch="feature/x")
    ALICE.create_branch("alice/refs", branch="feature/x", exist_ok=True)
    ALICE.create_tag("alice/refs", tag="v1", tag_message="One")
    ALICE.upload_file(path_or_fileobj=b"2", path_in_repo="n.txt", repo_id="alice/refs", revision="feature/x")
    contents = {}
    for revision in ("main", "v1", first.oid, "feature/x", "refs/heads/feature/x"):
        path = hf_hub_download("alice/refs", "n.txt", revision=revision, cache_dir=folder, token=False)
        contents[revision] = Path(path).read_text()
    assert list(contents.values()) == ["1", "1", "1", "2", "2"]
    found = ANYONE.list_repo_refs("alice/refs")
    assert ({ref.name for ref in found.branches}, [ref.ref for ref in found.tags]) == (
        {"main", "feature/x"},
        ["refs/tags/v1"],
    )
    with pytest.raises(HfHubHTTPError, match="409"):
        ALICE.create_tag("alice/refs", tag="v1")
    ALICE.delete_branch("alice/refs", branch="feature/x")
    ALICE.delete_tag("alice/refs", tag="v1")
    with pytest.raises(RevisionNotFoundError):
        ALICE.delete_tag("alice/refs", tag="v1")
    for revision in ("feature/x", "0" * 40):
        with pytest.raises(RevisionNotFoundError):
            ANYONE.model_info("alice/refs", revision=revision)


def pull_requests(folder: Path) -> None:
    ALICE.create_repo("alice/pulls")
    offered = BOB.create_commit("alice/pulls", [add("fix.txt", "1")], commit_message="A fix", create_pr=True)
    assert (offered.pr_num, offered.pr_revision) == (1, "refs/pr/1")
    assert "fix.txt" not in ALICE.list_repo_files("alice/pulls")
    BOB.upload_file(path_or_fileobj=b"2", path_in_repo="fix.txt", repo_id="alice/pulls", revision="refs/pr/1")
    path = hf_hub_download("alice/pulls", "fix.txt", revision="refs/pr/1", cache_dir=folder, token=False)
    assert Path(path).read_text() == "2"
    ALICE.comment_discussion("alice/pulls", 1, comment="Thank you")
    with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
        BOB.merge_pull_request("alice/pulls", 1)
    ALICE.upload_file(path_or_fileobj=b"other", path_in_repo="other.txt", repo_id="alice/pulls")
    ALICE.merge_pull_request("alice/pulls", 1)
    assert {"fix.txt", "other.txt"} <= set(ALICE.list_repo_files("alice/pulls"))
    details = ANYONE.get_discussion_details("alice/pulls", 1)
    assert (details.status, details.merge_commit_oid) == ("merged", ALICE.model_info("alice/pulls").sha)
    assert [event.type for event in details.events] == ["comment", "commit", "commit", "comment", "status-change"]

    draft = BOB.create_pull_request("alice/pulls", title="Another fix")
    assert (draft.status, draft.git_reference) == ("draft", "refs/pr/2")
    BOB.upload_file(path_or_fileobj=b"3", path_in_repo="fix.txt", repo_id="alice/pulls", revision="refs/pr/2")
    with pytest.raises(BadRequestError, match="draft"):
        ALICE.merge_pull_request("alice/pulls", 2)
    BOB.change_discussion_status("alice/pulls", 2, new_status="open")
    ALICE.upload_file(path_or_fileobj=b"4", path_in_repo="fix.txt", repo_id="alice/pulls")
    with pytest.raises(HfHubHTTPError, match=r"conflicts with main in fix\.txt"):
        ALICE.merge_pull_request("alice/pulls", 2)
    assert ANYONE.get_discussion_details("alice/pulls", 2).conflicting_files == ["fix.txt"]
    BOB.create_discussion("alice/pulls", title="A question")
    assert [each.num for each in ANYONE.get_repo_discussions("alice/pulls")] == [3, 2, 1]
    assert [each.num for each in ANYONE.get_repo_discussions("alice/pulls", discussion_status="open")] == [3, 2]
    refs = ANYONE.list_repo_refs("alice/pulls", include_pull_requests=True)
    assert [ref.name for ref in refs.pull_requests or []] == ["refs/pr/1", "refs/pr/2"]


def speed(folder: Path) -> None:
    """A call must not wait for delayed acknowledgements (40 ms each)."""
    ALICE.create_repo("alice/speed")
    start = time.monotonic()
    for _ in range(20):
        ANYONE.model_info("alice/speed")
    assert time.monotonic() - start < 0.6

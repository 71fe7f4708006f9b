"""A plain folder in the Hub's place: whatever answers as `hubslice.hub.hub.Hub` says can stand behind every command."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hubslice
from hubslice.ancestry.compare import compare, sample
from hubslice.ancestry.opening import open_model
from hubslice.core.errors import FetchError, PushError
from hubslice.hub.hub import MAIN, Change, Commit, Hub, Login, NoRepositoryError, NoRevisionError, Part, Repository
from hubslice.hub.integrity import Expected, digest
from hubslice.hub.session import shut
from hubslice.models.timm_adapter import TimmModel
from hubslice.verbs.doctor.checks import examine
from tests.images import COLOURS


class FolderHub:
    """Repositories are folders below `root`, each with one commit: what it holds now."""

    url = "folder:hub"
    offline = False
    login_token = "hf_folder"

    def __init__(self, root: Path) -> None:
        self.root, self.read_ranges = root, list[tuple[str, int]]()

    def without_token(self, text: str) -> str:
        return text

    def cache(self, repo_id: str) -> Path:
        return self.root / "cache" / repo_id.replace("/", "--")

    def ready(self) -> None:
        pass

    def info(self, repo_id: str, revision: str | None) -> Repository:
        folder = self.root / repo_id
        if not folder.is_dir():
            raise NoRepositoryError(repo_id)
        found = {path.relative_to(folder).as_posix(): digest(path) for path in folder.rglob("*") if path.is_file()}
        commit = hashlib.sha1(repr(sorted(found.items())).encode()).hexdigest()
        if revision not in (None, MAIN, commit):
            raise NoRevisionError(revision)
        return Repository(commit, {path: Expected(each.size, sha256=each.sha256) for path, each in found.items()})

    def revisions(self, repo_id: str) -> list[str]:
        return [MAIN]

    def download(self, repo_id: str, path: str, commit: str, *, force: bool, told: Callable[[int], None]) -> Path:
        place = self.cache(repo_id) / "snapshots" / commit / path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.root / repo_id / path, place)
        told(place.stat().st_size)
        return place

    def to_download(self, repo_id: str, path: str, commit: str) -> int:
        return (self.root / repo_id / path).stat().st_size

    def read(
        self, repo_id: str, path: str, commit: str, start: int, stop: int, *, size: int | None, skip: int | None
    ) -> Part:
        self.read_ranges.append((path, stop - start))
        return Part((self.root / repo_id / path).read_bytes()[start:stop], ranged=True)

    def login(self, *, patience: float | None = None) -> Login:
        return Login("alice", ("lab",), "write")

    def check_write(self, repo_id: str) -> None:
        if not repo_id.startswith("alice/"):
            raise PermissionError(f"{repo_id} is not alice's")

    def check_card(self, text: str) -> tuple[list[str], list[str]]:
        return [], ["cards in folders are seldom read"]

    def create(self, repo_id: str, *, private: bool) -> None:
        (self.root / repo_id).mkdir(parents=True)

    def upload(self, change: Change) -> Callable[[], Commit]:
        def commit() -> Commit:
            for path, content in change.files.items():
                place = self.root / change.repo_id / path
                place.parent.mkdir(parents=True, exist_ok=True)
                if content is None:
                    place.unlink()
                else:
                    place.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
            made = self.info(change.repo_id, None).commit
            return Commit(made, f"{self.url}/{change.repo_id}/commit/{made}", None)

        return commit


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FolderHub]:
    made: Hub = (folder := FolderHub(tmp_path / "hub"))
    monkeypatch.setattr("hubslice.hub.default.connect", lambda: made)
    monkeypatch.setenv("HUBSLICE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with shut("the hub is a folder"):
        yield folder


def saved(folder: Path) -> Path:
    TimmModel.create("test_resnet", tuple(COLOURS), seed=1).save(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A teacher\n")
    return folder


def test_doctor_asks_it(hub: FolderHub) -> None:
    told = {finding.name: (finding.state, finding.detail) for finding in examine()}
    assert told["hub"] == ("ok", "folder:hub answers")
    assert told["token"] == ("ok", "logged in as alice, token with write rights")


@pytest.mark.slow
def test_pull_takes_a_model_from_it(hub: FolderHub, tmp_path: Path) -> None:
    saved(hub.root / "alice/teacher")
    pulled = hubslice.pull("alice/teacher", out=tmp_path / "out")
    assert (pulled.facts.repo_id, pulled.facts.license) == ("alice/teacher", "mit")
    assert pulled.facts.commit == hub.info("alice/teacher", None).commit
    assert (pulled.model / "model.safetensors").read_bytes() == (
        hub.root / "alice/teacher/model.safetensors"
    ).read_bytes()


def test_push_makes_a_repository_and_then_only_changes_it(hub: FolderHub, tmp_path: Path) -> None:
    folder = saved(tmp_path / "student")
    plan = hubslice.plan_push(folder, "alice/student")
    assert plan.warnings == ("README.md: cards in folders are seldom read",)
    made = hubslice.push(folder, "alice/student")
    names = {path.name for path in folder.iterdir()}
    assert {path.name for path in (hub.root / "alice/student").iterdir()} == names
    assert made.url == f"folder:hub/alice/student/commit/{made.commit}"
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A better one\n")
    (hub.root / "alice/student/shapes.json").write_text("{}")
    again = hubslice.plan_push(folder, "alice/student")
    assert {(file.path, file.change) for file in again.changes} == {
        ("README.md", "changed"),
        ("shapes.json", "deleted"),
    }
    hubslice.push(folder, "alice/student")
    assert {path.name for path in (hub.root / "alice/student").iterdir()} == names
    assert not hubslice.push(folder, "alice/student").pushed


def test_lineage_reads_parts_of_its_files(hub: FolderHub) -> None:
    saved(hub.root / "alice/teacher")
    here = saved(hub.root.parent / "here")
    assert compare(sample(open_model("alice/teacher")), open_model(str(here))).verdict == "descendant"
    assert {path for path, _ in hub.read_ranges} == {"model.safetensors"}
    assert not list(hub.cache("alice/teacher").rglob("model.safetensors"))


def test_what_it_does_not_have_is_told_as_of_any_hub(hub: FolderHub, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="there is no repository alice/nothing that this login may see"):
        open_model("alice/nothing")
    saved(hub.root / "alice/teacher")
    with pytest.raises(FetchError, match="alice/teacher has no revision 'mian'") as caught:
        open_model("alice/teacher@mian")
    assert caught.value.hint == "it has main"
    with pytest.raises(PushError, match="which does not own the namespace bob"):
        hubslice.plan_push(saved(tmp_path / "student"), "bob/student")
    saved(hub.root / "bob/student")
    with pytest.raises(PushError, match="bob/student is not alice's"):
        hubslice.plan_push(tmp_path / "student", "bob/student")

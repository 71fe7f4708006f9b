"""Repos on disk: `repo.json` with the refs, one file a commit, contents in the object store.

Everything is read from disk for each request, so a server started on the same folder goes on where another one
stopped; a lock makes each change of a repo one step.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from tests.fake_hub import errors
from tests.fake_hub.objects import ObjectStore, git_oid, lfs_pointer, replace_atomically
from tests.fake_hub.records import KINDS, Commit, File, Repo, Tree, now
from tests.fake_hub.upload_rules import DEFAULT_ATTRIBUTES


class Store:
    """All repos under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = ObjectStore(root / "objects")
        self._lock = threading.RLock()

    def repos(self, kind: str) -> list[Repo]:
        """All repos of a kind, by id."""
        found = sorted((self.root / "repos" / kind).glob("*/*/repo.json"))
        return [Repo.from_json(path.read_text()) for path in found]

    def find(self, kind: str, repo_id: str) -> Repo | None:
        """The repo as it is now; None where there is none."""
        try:
            return Repo.from_json((self._folder(kind, repo_id) / "repo.json").read_text())
        except FileNotFoundError:
            return None

    def create(self, kind: str, repo_id: str, *, author: str, private: bool = False) -> Repo:
        """A new repo as the Hub makes it: a first commit on `main` with `.gitattributes`.

        Raises:
            ValueError: there is one of that id.
        """
        with self._lock:
            if self.find(kind, repo_id) is not None:
                raise ValueError(f"{kind}/{repo_id} exists")
            repo = Repo(kind=kind, id=repo_id, created=now(), private=private)
            tree = {".gitattributes": self.add_file(DEFAULT_ATTRIBUTES, lfs=False)}
            commit = self.add_commit(repo, tree, (), title="initial commit", message="", author=author)
            repo.branches["main"] = commit.oid
            self._save(repo)
            return repo

    def delete(self, kind: str, repo_id: str) -> None:
        """Forget a repo and its commits; contents stay, other repos may share them."""
        with self._lock:
            shutil.rmtree(self._folder(kind, repo_id))

    def move(self, kind: str, repo_id: str, new_id: str) -> None:
        """Give a repo another id."""
        with self._lock, self.edit(kind, repo_id) as repo:
            target = self._folder(kind, new_id)
            if target.exists():
                raise errors.conflict(f"{new_id} exists")
            target.parent.mkdir(parents=True, exist_ok=True)
            self._folder(kind, repo_id).rename(target)
            repo.id = new_id

    @contextmanager
    def edit(self, kind: str, repo_id: str) -> Iterator[Repo]:
        """The repo, to be changed: no one else changes it meanwhile; saved at the end unless the block raises."""
        with self._lock:
            repo = self.find(kind, repo_id)
            if repo is None:
                raise errors.repo_not_found(anonymous=False)
            yield repo
            self._save(repo)

    def commit(self, repo: Repo, revision: str) -> Commit:
        """The commit that a branch, tag, pull request or (abbreviated) commit id names; else `RevisionNotFound`."""
        folder = self._folder(repo.kind, repo.id) / "commits"
        oid = repo.target(revision)
        if oid is None and re.fullmatch(r"[0-9a-f]{7,40}", revision):
            oid = next((path.stem for path in sorted(folder.glob(f"{revision}*.json"))), None)
        if oid is None:
            raise errors.revision_not_found(revision)
        return Commit.from_json((folder / f"{oid}.json").read_text())

    def add_commit(
        self, repo: Repo, tree: Tree, parents: Iterable[str], *, title: str, message: str, author: str
    ) -> Commit:
        """Write a snapshot and return it; it becomes visible once a ref of the repo points to it."""
        draft = Commit("", tuple(parents), dict(sorted(tree.items())), title, message, author, now())
        oid = hashlib.sha1(json.dumps(asdict(draft)).encode()).hexdigest()
        commit = replace(draft, oid=oid)
        path = self._folder(repo.kind, repo.id) / "commits" / f"{oid}.json"
        replace_atomically(path, commit.to_json().encode())
        return commit

    def history(self, repo: Repo, commit: Commit) -> Iterator[Commit]:
        """The commit and its first parents, newest first."""
        yield commit
        while commit.parents:
            commit = self.commit(repo, commit.parents[0])
            yield commit

    def add_file(self, content: bytes, *, lfs: bool) -> File:
        """Store a content and describe it as a file of a commit."""
        sha256, size = self.objects.add([content])
        return self.large_file(sha256, size) if lfs else File(sha256, size, git_oid(content), lfs=False)

    def large_file(self, sha256: str, size: int) -> File:
        """Describe a content that is stored already as a large file."""
        return File(sha256, size, git_oid(lfs_pointer(sha256, size)), lfs=True)

    def _save(self, repo: Repo) -> None:
        replace_atomically(self._folder(repo.kind, repo.id) / "repo.json", repo.to_json().encode())

    def _folder(self, kind: str, repo_id: str) -> Path:
        if kind not in KINDS or not re.fullmatch(r"(?!\.)[\w.-]+/(?!\.)[\w.-]+", repo_id, re.ASCII):
            raise errors.bad_request(f"Invalid repo id: {kind}/{repo_id}")
        return self.root / "repos" / kind / repo_id

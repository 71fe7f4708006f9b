"""What a repo consists of: files, commits, discussions. Plain values, kept as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fake_hub.objects import lfs_pointer

KINDS = ("models", "datasets", "spaces")


def now() -> str:
    """The time, as the Hub writes it."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class File:
    """A file of a commit: where its content is, and its git id (of the pointer text, for a large file)."""

    sha256: str
    size: int
    oid: str
    lfs: bool

    @property
    def etag(self) -> str:
        """The id that clients compare: SHA-256 of a large file, git id of a regular one."""
        return self.sha256 if self.lfs else self.oid

    @property
    def pointer_size(self) -> int:
        """Size in bytes of the pointer text."""
        return len(lfs_pointer(self.sha256, self.size))


Tree = Mapping[str, File]


@dataclass(frozen=True)
class Commit:
    """An immutable snapshot: all files, and where it came from."""

    oid: str
    parents: tuple[str, ...]
    tree: Tree
    title: str
    message: str
    author: str
    date: str

    @classmethod
    def from_json(cls, text: str) -> Commit:
        data = json.loads(text)
        tree = {path: File(**file) for path, file in data.pop("tree").items()}
        return cls(parents=tuple(data.pop("parents")), tree=tree, **data)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass
class Discussion:
    """A discussion, or a pull request: then with the branch it aims at and the commit it started from."""

    num: int
    title: str
    author: str
    created: str
    status: str
    events: list[dict[str, Any]] = field(default_factory=list)
    base: str | None = None
    base_commit: str | None = None
    merge_commit: str | None = None

    @property
    def is_pull_request(self) -> bool:
        return self.base is not None

    @property
    def ref(self) -> str:
        """Where the commits of a pull request go."""
        return f"refs/pr/{self.num}"


@dataclass
class Repo:
    """The part of a repo that changes: settings, refs and discussions."""

    kind: str
    id: str
    created: str
    private: bool = False
    gated: str | bool = False
    granted: list[str] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: dict[str, str] = field(default_factory=dict)
    discussions: list[Discussion] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    @property
    def prefix(self) -> str:
        """What stands before the id in the address of a file."""
        return "" if self.kind == "models" else f"{self.kind}/"

    def target(self, revision: str) -> str | None:
        """The commit that a branch, tag or pull request points to; None where there is no such ref."""
        if revision == "HEAD":
            revision = "main"
        by_name = self.branches | self.pulls
        full = {f"refs/heads/{name}": oid for name, oid in self.branches.items()}
        full |= {f"refs/tags/{name}": oid for name, oid in self.tags.items()}
        return by_name.get(revision) or self.tags.get(revision) or full.get(revision)

    @classmethod
    def from_json(cls, text: str) -> Repo:
        data = json.loads(text)
        return cls(discussions=[Discussion(**each) for each in data.pop("discussions")], **data)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

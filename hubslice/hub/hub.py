"""The interface of a model hub; `hubslice.hub.client` implements it for the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from hubslice.hub.integrity import Expected

LOGIN: Final = "log in with a token of https://huggingface.co/settings/tokens: hf auth login"
MAIN: Final = "main"  # the branch used if none is named


class NoRepositoryError(Exception):
    """There is no such repository, or this login may not see it."""


class NoRevisionError(Exception):
    """The repository has no such branch, tag or commit."""


@dataclass(frozen=True)
class Repository:
    """A model repository at a commit: the expected checksum of each file by path; `gated`: access needs approval."""

    commit: str
    files: dict[str, Expected]
    gated: bool = False
    private: bool = False


class Part(NamedTuple):
    """Bytes of a file, and whether the server supports range requests."""

    data: bytes
    ranged: bool


@dataclass(frozen=True)
class Login:
    """Who asks: the name, the organisations with a namespace of their own, and the token's role, such as `read`."""

    name: str
    organisations: tuple[str, ...]
    role: str = "unknown"

    @property
    def reads_only(self) -> bool:
        """Whether the token may not write."""
        return self.role == "read"


@dataclass(frozen=True)
class Change:
    """A commit to be made on top of `parent`: files by path, as a local file or as bytes; None deletes the file."""

    repo_id: str
    files: Mapping[str, Path | bytes | None]
    message: str
    parent: str
    revision: str | None
    create_pr: bool


class Commit(NamedTuple):
    """A commit that was made, its page, and that of its pull request, if any."""

    commit: str
    url: str
    pr_url: str | None


class Hub(Protocol):
    """A hub with model repositories, a login, and a local cache.

    The cache of a repository has the layout of huggingface_hub's: a file is at `snapshots/COMMIT/PATH`, and `refs`
    records which commit a revision resolved to. Methods raise the two errors above, those of huggingface_hub, or
    OSError and ValueError if a hub cannot be reached or sends an invalid response; callers add what was attempted.
    """

    @property
    def url(self) -> str:
        """The hub's URL, without a trailing slash; pages of repositories are below it."""

    @property
    def offline(self) -> bool:
        """Whether the network must not be used, so that only the cache is available."""

    @property
    def login_token(self) -> str | None:
        """The token sent with requests, so never print it; None if anonymous."""

    def without_token(self, text: str) -> str:
        """Mask all tokens in the text."""

    def cache(self, repo_id: str) -> Path:
        """Return the cache folder of a repository, which need not exist."""

    def ready(self) -> None:
        """Initialise what must exist before several threads use the hub."""

    def info(self, repo_id: str, revision: str | None) -> Repository:
        """Return the repository at the commit that the revision currently resolves to."""

    def revisions(self, repo_id: str) -> list[str]:
        """Its branches, tags and pull requests."""

    def download(self, repo_id: str, path: str, commit: str, *, force: bool, told: Callable[[int], None]) -> Path:
        """Return a file in the cache; `force` downloads it again.

        `told` is called with the number of bytes received.
        """

    def to_download(self, repo_id: str, path: str, commit: str) -> int:
        """Return how many bytes of a file are still to be downloaded."""

    def read(
        self, repo_id: str, path: str, commit: str, start: int, stop: int, *, size: int | None, skip: int | None
    ) -> Part:
        """Return bytes `start` to `stop` of a file of `size` bytes, fewer at its end.

        If the hub only sends whole files, up to `skip` bytes are read and discarded (None: any number); a part further
        on is returned without data.
        """

    def login(self, *, patience: float | None = None) -> Login:
        """Who asks. `patience` in seconds: the hub shall answer within that."""

    def check_write(self, repo_id: str) -> None:
        """Check that this login may write to the repository; raises an error otherwise."""

    def check_card(self, text: str) -> tuple[list[str], list[str]]:
        """Return the errors and warnings of the hub's model card validation."""

    def create(self, repo_id: str, *, private: bool) -> None:
        """Create an empty repository, which must not exist yet."""

    def upload(self, change: Change) -> Callable[[], Commit]:
        """Upload the large files; returns a function that makes the commit and may be called again if it fails."""

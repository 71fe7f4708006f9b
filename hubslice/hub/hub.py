"""What hubslice asks of a hub of models; `hubslice.hub.client` asks it of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from hubslice.hub.integrity import Expected

LOGIN: Final = "log in with a token of https://huggingface.co/settings/tokens: hf auth login"
MAIN: Final = "main"  # the branch of a repository where none is named


class NoRepositoryError(Exception):
    """There is no such repository, or none that this login may see."""


class NoRevisionError(Exception):
    """The repository has no such branch, tag or commit."""


@dataclass(frozen=True)
class Repository:
    """A model repository at a commit: what each file should be, by its path; `gated`: its owner decides who gets it."""

    commit: str
    files: dict[str, Expected]
    gated: bool = False
    private: bool = False


class Part(NamedTuple):
    """Bytes of a file, and whether the server sent no more than those."""

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
    """A commit to be, onto `parent`: files by their path, as a file here or as bytes; None is deleted."""

    repo_id: str
    files: Mapping[str, Path | bytes | None]
    message: str
    parent: str
    revision: str | None
    create_pr: bool


class Commit(NamedTuple):
    """A commit that was made, its page, and that of the pull request where it is one."""

    commit: str
    url: str
    pr_url: str | None


class Hub(Protocol):
    """A hub with model repositories, a login, and a cache on this machine.

    The cache of a repository has the layout of huggingface_hub's: a file is at `snapshots/COMMIT/PATH`, and `refs`
    notes which commit a revision meant. Methods raise the two errors above, those of huggingface_hub, or
    OSError and ValueError where a hub cannot be reached or answers what makes no sense; callers say what was tried.
    """

    @property
    def url(self) -> str:
        """Its address, without a slash at its end: pages of repositories lie below it."""

    @property
    def offline(self) -> bool:
        """Whether it may not be asked: what the cache holds is all there is."""

    @property
    def login_token(self) -> str | None:
        """The token that requests carry, so never print it; None: anonymous."""

    def without_token(self, text: str) -> str:
        """The text with every token that is in there blotted out."""

    def cache(self, repo_id: str) -> Path:
        """The folder in the cache that belongs to a repository, which need not exist."""

    def ready(self) -> None:
        """What has to be done once before several threads ask."""

    def info(self, repo_id: str, revision: str | None) -> Repository:
        """The repository at the commit that the revision means now."""

    def revisions(self, repo_id: str) -> list[str]:
        """Its branches, tags and pull requests."""

    def download(self, repo_id: str, path: str, commit: str, *, force: bool, told: Callable[[int], None]) -> Path:
        """A file in the cache; with `force` as the hub gives it now. `told` is called with the bytes that came."""

    def to_download(self, repo_id: str, path: str, commit: str) -> int:
        """Bytes of a file that are still to be downloaded."""

    def read(
        self, repo_id: str, path: str, commit: str, start: int, stop: int, *, size: int | None, skip: int | None
    ) -> Part:
        """Bytes `start` to `stop` of a file of `size` bytes, fewer where it ends before.

        Where only whole files are given, up to `skip` bytes are read for nothing (None: any number), and of a part that
        lies further on there is no data.
        """

    def login(self, *, patience: float | None = None) -> Login:
        """Who asks. `patience` in seconds: the hub shall answer within that."""

    def check_write(self, repo_id: str) -> None:
        """Nothing where this login may write to the repository; else an error."""

    def check_card(self, text: str) -> tuple[list[str], list[str]]:
        """What would be refused of a model card, and what is warned of."""

    def create(self, repo_id: str, *, private: bool) -> None:
        """Make an empty repository that is not there yet."""

    def upload(self, change: Change) -> Callable[[], Commit]:
        """Send the large files; gives what then makes the commit, which may be called again where that failed."""

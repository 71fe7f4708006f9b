"""Who asks, and what they may do with a repo."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from tests.fake_hub import errors
from tests.fake_hub.records import Repo


class Access(IntEnum):
    """What a route asks for; each level includes those before it."""

    ANYONE = 0  # no repo is concerned
    USER = 1  # a known token
    SEE = 2  # the repo is visible: its card, its list of files
    READ = 3  # its files may be read (the gate, if there is one, is open)
    PROPOSE = 4  # a token with the role write: pull requests and discussions
    WRITE = 5  # write access to the repo itself


@dataclass(frozen=True)
class User:
    """The holder of a token, the role of that token, and the organisations they may write to."""

    name: str
    role: Literal["read", "write"] = "write"
    orgs: tuple[str, ...] = ()

    def owns(self, namespace: str) -> bool:
        return namespace == self.name or namespace in self.orgs


def may_write(user: User | None, repo: Repo) -> bool:
    """Whether the token may change the repo's own branches."""
    return user is not None and user.role == "write" and user.owns(repo.owner)


def may_see(user: User | None, repo: Repo) -> bool:
    """Whether the repo exists, as far as this user is told."""
    return not repo.private or (user is not None and user.owns(repo.owner))


def check(user: User | None, repo: Repo | None, level: Access) -> Repo:
    """The repo, if the user has that access to it; raises the refusal that the Hub would answer with."""
    if repo is None or not may_see(user, repo):
        raise errors.repo_not_found(anonymous=user is None)
    if level >= Access.READ and repo.gated and not _passes_gate(user, repo):
        raise errors.gated(repo.id, anonymous=user is None)
    if level >= Access.PROPOSE:
        check_writer(user)
    if level >= Access.WRITE and not may_write(user, repo):
        raise errors.forbidden(f"You don't have the necessary permissions to write to {repo.id}")
    return repo


def check_user(user: User | None) -> User:
    """The user; raises 401 for an anonymous request."""
    if user is None:
        raise errors.unauthorized("Invalid username or password.")
    return user


def check_writer(user: User | None) -> User:
    """The user; raises 401 for an anonymous request, 403 for a token that may only read."""
    if check_user(user).role != "write":
        raise errors.forbidden("You must use a write token to upload to a repository")
    return check_user(user)


def _passes_gate(user: User | None, repo: Repo) -> bool:
    return user is not None and (user.owns(repo.owner) or user.name in repo.granted)

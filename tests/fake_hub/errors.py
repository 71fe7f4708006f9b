"""The refusals of the Hub, each with the status and the error code by which clients tell them apart."""

from __future__ import annotations

from typing import Any


class HubError(Exception):
    """A refused request: HTTP status, `X-Error-Code`, message, and what else goes into the JSON body or the headers."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.body = body or {}
        self.headers = headers or {}


def bad_request(message: str, errors: list[str] | None = None) -> HubError:
    """400, with the single faults as the `errors` list that clients print."""
    body = {"errors": [{"message": error} for error in errors]} if errors else None
    return HubError(400, "BadRequest", message, body=body)


def unauthorized(message: str) -> HubError:
    """401: a token is needed, or the one sent is unknown."""
    return HubError(401, "Unauthorized", message)


def forbidden(message: str) -> HubError:
    """403: the token is known and does not suffice."""
    return HubError(403, "Forbidden", message)


def gated(repo_id: str, *, anonymous: bool) -> HubError:
    """The repo is visible, its files are not: 401 without a token, 403 with one."""
    message = f"Access to model {repo_id} is restricted and you are not in the authorized list."
    return HubError(401 if anonymous else 403, "GatedRepo", message)


def repo_not_found(*, anonymous: bool) -> HubError:
    """The repo is missing or hidden (the reply does not tell which): 401 without a token, 404 with one."""
    if anonymous:
        return HubError(401, "RepoNotFound", "Invalid username or password.")
    return HubError(404, "RepoNotFound", "Repository not found")


def revision_not_found(revision: str) -> HubError:
    """404: no branch, tag, pull request or commit of that name."""
    return HubError(404, "RevisionNotFound", f"Invalid rev id: {revision}")


def entry_not_found(message: str = "Entry not found", *, commit: str | None = None) -> HubError:
    """404: the revision exists and has no such path; clients cache this answer under the commit."""
    return HubError(404, "EntryNotFound", message, headers={"X-Repo-Commit": commit} if commit else None)


def conflict(message: str, **body: Any) -> HubError:
    """409: it is there already."""
    return HubError(409, "Conflict", message, body=body)


def stale_parent() -> HubError:
    """412: the branch has moved since the parent commit that the client named."""
    return HubError(412, "PreconditionFailed", "A commit has happened since. Please refresh and try again.")

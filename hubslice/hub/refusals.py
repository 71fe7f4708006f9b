"""Turn errors of huggingface_hub into hubslice's errors: what could not be done, why, and how to fix it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import errors as hf

from hubslice.core.errors import HubError, HubsliceError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import cache_fault
from hubslice.hub.answers import Unending
from hubslice.hub.hub import LOGIN, Hub, NoRepositoryError, NoRevisionError
from hubslice.hub.proxies import ProxyUnusable, proxy_of
from hubslice.hub.session import GaveUp, HTTPError, TooManyRedirects, retry_after

_WRAPPERS = (hf.LocalEntryNotFoundError, hf.RevisionResolutionError, RuntimeError, GaveUp)
_ABSENT = (NoRepositoryError, NoRevisionError)
# Raised by huggingface_hub for responses of an unexpected form.
_MALFORMED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, hf.FileMetadataError)


@contextmanager
def refused_as(kind: type[HubError], doing: str, *, repo_id: str, client: Hub) -> Iterator[None]:
    """Raise `kind` for any error of huggingface_hub in the block; `doing` completes "cannot ...".

    If a cache cannot be written, a DiskError is raised instead.
    """
    try:
        yield
    except HubsliceError:
        raise
    except (HTTPError, OSError, RuntimeError, hf.RevisionResolutionError, *_ABSENT, *_MALFORMED) as error:
        if fault := cache_fault(cause(error)):
            raise fault from error
        why, hint = explain(cause(error), repo_id=repo_id, client=client)
        raise kind(client.without_token(f"cannot {doing}: {why}"), hint=client.without_token(hint)) from error


def status(error: BaseException) -> int | None:
    """Return the HTTP status of an error; None if the Hub did not respond."""
    error = cause(error)
    return error.response.status_code if isinstance(error, hf.HfHubHTTPError) else None


def unanswered(error: BaseException) -> bool:
    """Return whether a failed request may still have been executed: no response, an invalid one, or a server error."""
    code, error = status(error), cause(error)
    if code is not None:
        return code >= 500
    return isinstance(error, (HTTPError, *_MALFORMED)) and not isinstance(error, hf.HFValidationError)


def absent(error: BaseException) -> bool:
    """Return whether the Hub has no such repository, revision or file, or none visible to this login.

    A gated or disabled repository exists.
    """
    while isinstance(error, HubsliceError) and error.__cause__ is not None:
        error = error.__cause__
    gone = (hf.RepositoryNotFoundError, hf.RevisionNotFoundError, hf.RemoteEntryNotFoundError, *_ABSENT)
    error = cause(error)
    return isinstance(error, gone) and not isinstance(error, hf.GatedRepoError)


def no_repository(error: BaseException | None) -> bool:
    """Return whether the repository does not exist or is not visible to this login; gated or disabled ones exist."""
    return type(error) in (hf.RepositoryNotFoundError, NoRepositoryError)


def no_revision(error: BaseException | None) -> bool:
    """Return whether the repository exists, but not the revision."""
    return isinstance(error, hf.RevisionNotFoundError | NoRevisionError)


def cause(error: BaseException) -> BaseException:
    """Return the error that huggingface_hub wrapped, if it did."""
    while isinstance(error, _WRAPPERS) and error.__cause__ is not None:
        error = error.__cause__
    return error


def explain(error: BaseException, *, repo_id: str, client: Hub) -> tuple[str, str]:
    """Return the reason and the hint."""
    page = f"{client.url}/{repo_id}"
    match error:
        case hf.OfflineModeIsEnabled():
            return "offline mode is on (HF_HUB_OFFLINE) and this is not in the cache", "unset HF_HUB_OFFLINE"
        case hf.GatedRepoError():
            return (
                f"{repo_id} is gated and this login is not on its list",
                f"accept the conditions at {page}, then hf auth login",
            )
        case hf.DisabledRepoError():
            return f"{repo_id} was disabled by the Hub or its owner", f"see {page}"
        case hf.RepositoryNotFoundError() if error.response.status_code == 401:
            return (
                f"there is no public repository {repo_id}; it is private, or does not exist",
                f"check the spelling; for a private one {LOGIN}",
            )
        case hf.RepositoryNotFoundError() | NoRepositoryError():
            return (
                f"there is no repository {repo_id} that this login may see",
                "check the spelling and, with hf auth whoami, the login; a token may be limited to some repositories",
            )
        case hf.RevisionNotFoundError() | NoRevisionError():
            return f"{repo_id} has no such revision", f"see {page}/tree/main for its branches and tags"
        case hf.HfHubHTTPError():
            return _by_status(error, repo_id=repo_id, page=page)
        case hf.EntryNotFoundError():
            return f"the file is not in the cache: {first_line(error)}", "fetch it once while online"
        case hf.HFValidationError():
            return first_line(error), "write owner/name"
        case OSError() if error.errno == errno.ENOSPC:
            return "the disk is full", "free space, or set HF_HOME to a folder on another disk"
        case OSError() if str(error).startswith("Consistency check failed"):
            return "fewer or more bytes came than the Hub announced", "run it again; a proxy may change what passes it"
    if isinstance(error, _MALFORMED):
        return (
            f"what {client.url} answers is not what a Hub answers ({type(error).__name__}: {first_line(error)})",
            "check HF_ENDPOINT; a proxy or the login page of a network may answer in the Hub's place",
        )
    if isinstance(error, TooManyRedirects):
        return f"{client.url} sends requests in circles", "check HF_ENDPOINT"
    if isinstance(error, ProxyUnusable | Unending):
        return str(error), error.hint
    if isinstance(error, HTTPError):
        proxy = proxy_of(client.url)
        through, check = (f" through the proxy of {proxy}", f"{proxy.variable}, ") if proxy else ("", "")
        return (
            f"the Hub at {client.url} cannot be reached{through} ({type(error).__name__}: {first_line(error)})",
            f"check {check}the connection and HF_ENDPOINT; HF_HUB_OFFLINE=1 works with what is cached",
        )
    return f"{type(error).__name__}: {first_line(error)}", f"run it again; if it stays, see {page}"


def _by_status(error: hf.HfHubHTTPError, *, repo_id: str, page: str) -> tuple[str, str]:
    code = error.response.status_code
    said = " ".join((error.server_message or "").split())
    because = f" ({said})" if said else ""
    asked = retry_after(error.response.headers)
    wait = "later" if asked is None else f"in {asked:.0f} seconds"
    match code:
        case 400:
            return f"the Hub refuses the request{because}", "mend what it names and run again"
        case 401:
            return f"the Hub does not know this token{because}", LOGIN
        case 403:
            return (
                f"this token may not do that to {repo_id}{because}",
                "log in with a token that may write (hf auth login), or propose the change with --create-pr",
            )
        case 404:
            return f"not found{because}", f"see what {page} holds"
        case 409:
            return f"it is there already, or is being changed by somebody else{because}", "run again"
        case 412:
            return (
                f"somebody pushed to {repo_id} in between{because}",
                "run again: the new plan starts from their commit",
            )
        case 413:
            return f"the Hub does not take files this large{because}", "save the weights in smaller shards"
        case 429:
            return f"too many requests{because}", f"run again {wait}; a login has a higher limit"
        case _ if code >= 500:
            return f"the Hub is out of order (HTTP {code}{because})", f"run again {wait}; https://status.huggingface.co"
    return f"the Hub answers HTTP {code}{because}", f"see {page}"

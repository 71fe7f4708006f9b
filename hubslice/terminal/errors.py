"""Convert any exception to an error message and an exit code."""

from __future__ import annotations

import sys
from typing import NamedTuple

from typer import TyperException

from hubslice.core.errors import HubsliceError
from hubslice.core.escaping import line
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import machine_fault
from hubslice.terminal.ending import Ended

INTERRUPTED = 130  # the shells' convention for a process that Ctrl-C ended

_LOGIN = "log in with `hf auth login`, or set HF_TOKEN"
_ONLINE = (
    "check the network and HF_ENDPOINT with `hubslice doctor`; wherever a Hub id is accepted, a local folder is too"
)
_LATER = "wait a little, then give the same command again"
_FILES = "its page on the Hub lists what it has"


class Failure(NamedTuple):
    """The error to report: what happened and why, how to fix it, and the exit code."""

    message: str
    hint: str | None
    exit_code: int


# huggingface_hub's errors by name; the first match applies, so subclasses come before their bases.
_HUB = (
    (
        "OfflineModeIsEnabled",
        "the Hub is needed, but HF_HUB_OFFLINE is set",
        "unset HF_HUB_OFFLINE, or name a local folder",
    ),
    ("LocalEntryNotFoundError", "the Hub cannot be reached and the local cache lacks a file", _ONLINE),
    ("LocalTokenNotFoundError", "you are not logged in to the Hub", _LOGIN),
    ("GatedRepoError", "the repository is gated and you have no access", f"ask for access on its page, then {_LOGIN}"),
    (
        "RepositoryNotFoundError",
        "the Hub has no such repository, or hides it from you",
        f"check the name; if it is private, {_LOGIN}",
    ),
    ("RevisionNotFoundError", "the repository has no such branch, tag or commit", _FILES),
    ("EntryNotFoundError", "the repository has no such file", _FILES),
)
_STATUS = {
    401: ("the Hub does not accept your token", _LOGIN),
    403: ("your token may not do this", "make a token with write access on the Hub's settings page, then log in again"),
    409: ("the Hub has something of this name already", "choose another name"),
    412: ("the repository has changed in the meantime", "give the same command again"),
    429: ("the Hub asks for fewer requests", _LATER),
}


def describe(error: BaseException) -> Failure:
    """Return the error to report for this exception."""
    error = machine_fault(error) or error
    if isinstance(error, HubsliceError):
        return Failure(error.message, error.hint, error.exit_code)
    if isinstance(error, TyperException):
        return Failure(line(error.format_message()), "`hubslice --help` shows what there is", error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        ended = (str(error), error.exit_code) if isinstance(error, Ended) else ("interrupted", INTERRUPTED)
        return Failure(ended[0], "give the same command again: it goes on where it stopped", ended[1])
    return _hub_failure(error) or Failure(
        f"{type(error).__name__}: {first_line(error)}",
        "this is a fault of hubslice: run again with HUBSLICE_TRACEBACK=1 and report the traceback",
        4,
    )


def _hub_failure(error: BaseException) -> Failure | None:
    for name, message, hint in _HUB:
        if _is(error, "huggingface_hub.errors", name):
            return Failure(f"{message}{_address(error)}", hint, 3)
    if _is(error, "huggingface_hub.errors", "HFValidationError"):
        return Failure(first_line(error), "a Hub id looks like owner/name", 2)
    if _is(error, "huggingface_hub.errors", "HfHubHTTPError"):
        status = int(getattr(getattr(error, "response", None), "status_code", 0))
        if status >= 500:
            return Failure(f"the Hub has a problem of its own (HTTP {status}){_address(error)}", _LATER, 3)
        if status in _STATUS:
            message, hint = _STATUS[status]
            return Failure(f"{message}{_address(error)}", hint, 3)
        return Failure(f"the Hub answers: {first_line(error)}", None, 3)
    if _is(error, "huggingface_hub.errors", "HTTPError") or isinstance(error, ConnectionError | TimeoutError):
        return Failure(f"the connection failed: {first_line(error)}", _ONLINE, 3)
    return None


def _is(error: BaseException, module: str, name: str) -> bool:
    """Return whether it is of this class; a module that is not imported cannot have raised it."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(error, kind)


def _address(error: BaseException) -> str:
    url = getattr(getattr(error, "response", None), "url", None)
    return f" ({str(url).partition('?')[0]})" if url else ""

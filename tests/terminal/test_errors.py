from __future__ import annotations

import json

import huggingface_hub.errors as hub
import pytest

from hubslice.core import errors
from hubslice.terminal.errors import describe
from tests.terminal.conftest import Hubslice


class Response:
    """As much of a response as the errors look at."""

    def __init__(self, status: int) -> None:
        self.status_code = status
        self.url = "https://hub.example/api/models/a/b?token=secret"
        self.headers: dict[str, str] = {}
        self.request = None


def http_error(kind: type[Exception], status: int) -> Exception:
    error = kind.__new__(kind)
    Exception.__init__(error, f"{status} Client Error\nmore lines")
    error.response = Response(status)  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "message", "hint", "code"),
    [
        (errors.GateError("too many defects", hint="slice more"), "too many defects", "slice more", 1),
        (errors.RecipeError("bad", ["line"]), "bad\n  line", "", 2),
        (errors.PushError("no"), "no", "", 3),
        (errors.HubsliceError("odd"), "odd", "", 4),
        (hub.OfflineModeIsEnabled("x"), "HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE", 3),
        (hub.LocalEntryNotFoundError("x"), "the local cache lacks a file", "hubslice doctor", 3),
        (http_error(hub.GatedRepoError, 403), "gated", "ask for access", 3),
        (http_error(hub.RepositoryNotFoundError, 404), "no such repository", "hf auth login", 3),
        (http_error(hub.RevisionNotFoundError, 404), "no such branch", "its page", 3),
        (http_error(hub.RemoteEntryNotFoundError, 404), "no such file", "its page", 3),
        (http_error(hub.HfHubHTTPError, 401), "does not accept your token", "hf auth login", 3),
        (http_error(hub.HfHubHTTPError, 403), "your token may not do this", "write access", 3),
        (http_error(hub.HfHubHTTPError, 412), "changed in the meantime", "again", 3),
        (http_error(hub.HfHubHTTPError, 429), "fewer requests", "wait", 3),
        (http_error(hub.HfHubHTTPError, 503), "a problem of its own (HTTP 503)", "wait", 3),
        (http_error(hub.HfHubHTTPError, 418), "the Hub answers: 418 Client Error", "", 3),
        (hub.HFValidationError("Repo id must be"), "Repo id must be", "owner/name", 2),
        (hub.HTTPError("no route"), "the connection failed: no route", "hubslice doctor", 3),
        (TimeoutError("slow"), "the connection failed: slow", "hubslice doctor", 3),
        (KeyboardInterrupt(), "interrupted", "again", 130),
        (ZeroDivisionError("division by zero\nx"), "ZeroDivisionError: division by zero", "HUBSLICE_TRACEBACK=1", 4),
        (ValueError(), "ValueError: no message", "HUBSLICE_TRACEBACK=1", 4),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_what_is_told(error: BaseException, message: str, hint: str, code: int) -> None:
    failure = describe(error)
    assert message in failure.message
    assert hint in (failure.hint or "")
    assert failure.exit_code == code
    assert "secret" not in failure.message


def raising(error: BaseException) -> object:
    def load(*_: object) -> None:
        raise error

    return load


@pytest.mark.parametrize(
    ("error", "code"),
    [(errors.FetchError("gone", hint="h"), 3), (RuntimeError("odd"), 4), (KeyboardInterrupt(), 130)],
)
def test_commands_end_with_the_code(
    hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    monkeypatch.setattr("hubslice.recipe.load.load_recipe", raising(error))
    finished = hubslice("validate", "x")
    assert (finished.code, finished.stdout) == (code, "")
    assert finished.stderr.startswith("error: ")
    finished = hubslice("validate", "x", "--json")
    assert (finished.code, finished.stdout) == (code, "")
    assert json.loads(finished.stderr)["exit_code"] == code

"""How the Hub is asked when it is in trouble: every wait has an end, and what may be asked again is asked again.

huggingface_hub sets no time limit on most requests, sleeps for as long as a server tells it to, asks a dead address for
23 seconds, and gives up at once on a server error in the middle of a download.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any

from huggingface_hub import constants, get_session, set_client_factory
from huggingface_hub import errors as hf
from huggingface_hub.utils import hf_raise_for_status, parse_ratelimit_headers  # type: ignore[attr-defined]

from hubslice.errors import IntegrityError
from hubslice.hub.proxies import UNUSABLE, ByProxy

# The base class of whichever httpx the installed huggingface_hub speaks, and that library.
HTTPError: type[Exception] = hf.HTTPError  # type: ignore[attr-defined]
_httpx: Any = import_module(HTTPError.__module__.partition(".")[0])
TooManyRedirects: type[Exception] = _httpx.TooManyRedirects

LONGEST_WAIT = 20.0  # seconds that a server may ask us to wait before we rather tell the user
_PATIENCE = (1.0, 3.0)  # seconds to wait before each further try at a server in trouble
_CONNECT = 5.0  # seconds to find the server
_ANSWER = 90.0  # seconds that the Hub may work on what it is sent, such as a commit of many files
_ONCE = re.compile(r"/commit/|/repos/create$|/discussions")  # done twice, these would leave something behind
_IDS = re.compile(r'(W/)?"?[\w.:+=-]+"?')  # headers that huggingface_hub makes file names of
_LOST = (_httpx.TimeoutException, _httpx.NetworkError, _httpx.RemoteProtocolError)
_NOT_FOUND = (_httpx.ConnectError, _httpx.ConnectTimeout)


class GaveUp(_httpx.TransportError):
    """The last try at a server failed, for the reason in `__cause__`; huggingface_hub does not retry this one."""


_shut: ContextVar[str | None] = ContextVar("shut", default=None)


class ShutError(_httpx.TransportError):
    """Something asked the Hub while nothing may."""


@contextmanager
def shut(why: str) -> Iterator[None]:
    """No request is sent from within: it ends in `ShutError`, which says `why`, before any connection is opened."""
    install()
    before = _shut.set(why)
    try:
        yield
    finally:
        _shut.reset(before)


class Session(_httpx.Client):
    """The connection pool under huggingface_hub, with limits to every wait."""

    def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
        """The answer; the request is repeated where that is safe.

        Raises:
            GaveUp: the server cannot be reached, or does not finish an answer.
            HfHubHTTPError: it stays in trouble, or asks for a longer wait than `LONGEST_WAIT`.
            IntegrityError: it names files in a way that could lead out of the cache.
            ShutError: nothing may be asked now.
        """
        if (why := _shut.get()) is not None:
            raise ShutError(f"{request.url.host} is not asked: {why}", request=request)
        _limit(request)
        replayable = isinstance(request.stream, _httpx.ByteStream)
        once = request.method == "POST" and _ONCE.search(request.url.path) is not None
        pauses = iter(_PATIENCE)
        while True:
            pause = next(pauses, None)
            try:
                response = super().send(request, stream=stream, **options)
            except _NOT_FOUND as error:
                if pause is None:
                    raise _gave_up(request, error) from error
                pauses = iter(())  # nobody is there: one more try is enough
            except _LOST as error:
                if not replayable:
                    raise  # huggingface_hub rewinds the file and sends it again
                if once or pause is None:
                    raise _gave_up(request, error) from error
            else:
                _check_ids(response)
                busy = response.status_code == 429
                asked = retry_after(response.headers) or 0.0
                if not busy and response.status_code < 500:
                    return response
                if asked > LONGEST_WAIT or (replayable and pause is None):
                    _refuse(response)
                if not replayable or (once and not busy):
                    return response
                response.close()
                pause = max(asked, pause or 0.0)
            time.sleep(pause)


def install() -> None:
    """Let huggingface_hub use such sessions, unless the program has brought its own."""
    try:
        client = get_session()
    except UNUSABLE:  # huggingface_hub's own client makes all proxies of the environment, and one cannot be made
        set_client_factory(lambda: _session([_refuse_offline]))
        return
    hooks = client.event_hooks["request"]
    if (
        type(client) is _httpx.Client
        and hooks
        and all(hook.__module__.startswith("huggingface_hub.") for hook in hooks)
    ):
        set_client_factory(lambda: _session(hooks))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """For how many seconds the server asks to be left alone; None if it does not say."""
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    said = headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _gave_up(request: Any, error: Exception) -> GaveUp:
    return GaveUp(f"{type(error).__name__}: {error}", request=request)


def _session(hooks: Sequence[Callable[[Any], Any]]) -> Session:
    """A session that does before each request what huggingface_hub's own client does: `hooks`."""
    options: dict[str, Any] = {
        "event_hooks": {"request": list(hooks)},
        "follow_redirects": True,
        "timeout": _httpx.Timeout(constants.HF_HUB_DOWNLOAD_TIMEOUT),
    }
    try:
        return Session(**options)
    except UNUSABLE:
        return Session(**options, transport=ByProxy())


def _refuse_offline(request: Any) -> None:
    if constants.is_offline_mode():
        raise hf.OfflineModeIsEnabled(f"cannot reach {request.url}: offline mode is on (HF_HUB_OFFLINE)")


def _limit(request: Any) -> None:
    limits = dict(request.extensions.get("timeout") or {})
    limits["connect"] = min(limits.get("connect") or _CONNECT, _CONNECT)
    if request.method not in ("GET", "HEAD"):
        limits["read"] = _ANSWER
    request.extensions = {**request.extensions, "timeout": limits}


def _refuse(response: Any) -> None:
    """Raise what huggingface_hub would raise when its own patience ends, which can be hours later."""
    try:
        response.read()
    except _httpx.HTTPError:
        pass  # the status says enough
    finally:
        response.close()
    hf_raise_for_status(response)


def _check_ids(response: Any) -> None:
    for name in ("ETag", "X-Linked-ETag", "X-Repo-Commit"):
        value = response.headers.get(name, "none")
        if "/resolve/" in response.request.url.path and not _IDS.fullmatch(value):
            response.close()
            raise IntegrityError(
                f"the {name} that {response.request.url.host} gives for a file is not one: {value[:80]!r}",
                hint="check HF_ENDPOINT; if it is right, do not trust that server",
            )

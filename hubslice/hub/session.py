"""HTTP sessions for the Hub: all waits are limited, and requests that are safe to repeat are retried.

huggingface_hub sets no timeout on most requests, sleeps for as long as a server tells it to, tries an unreachable
address for 23 seconds, and gives up at once on a server error in the middle of a download.
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
from threading import Lock
from typing import Any

from huggingface_hub import constants, get_session, set_client_factory
from huggingface_hub import errors as hf
from huggingface_hub.utils import hf_raise_for_status, parse_ratelimit_headers  # type: ignore[attr-defined]

from hubslice.core.errors import IntegrityError
from hubslice.core.foreign_errors import message_of
from hubslice.hub.answers import ask_plainly, first_of_redirect, of_file, whole, within
from hubslice.hub.pages import Pages
from hubslice.hub.promised_size import Sizes
from hubslice.hub.proxies import UNUSABLE, ByProxy

# The base class of errors in the httpx version that the installed huggingface_hub uses, and that library.
HTTPError: type[Exception] = hf.HTTPError  # type: ignore[attr-defined]
_httpx: Any = import_module(HTTPError.__module__.partition(".")[0])
TooManyRedirects: type[Exception] = _httpx.TooManyRedirects

LONGEST_WAIT = 20.0  # longest wait in seconds that a server may request; beyond it the user gets an error
_PATIENCE = (1.0, 3.0)  # seconds to wait before each retry after a server error
_CONNECT = 5.0  # seconds to connect to the server
_ANSWER = 90.0  # seconds that the Hub may take to process a request, such as a commit of many files
_WAITS = 3  # the total time limit of a response, as a multiple of that for each chunk
_SLOWEST = 1 << 16  # minimum assumed upload speed in bytes per second
_ONCE = re.compile(r"/commit/|/repos/create$|/discussions")  # requests that must not be executed twice
_INSTALLING = Lock()
_IDS = re.compile(r'(W/)?"?[\w.:+=-]+"?')  # headers that huggingface_hub uses in file names
_LOST = (_httpx.TimeoutException, _httpx.NetworkError, _httpx.RemoteProtocolError)
_NOT_FOUND = (_httpx.ConnectError, _httpx.ConnectTimeout)


class GaveUp(_httpx.TransportError):
    """The last attempt failed, for the reason in `__cause__`; huggingface_hub does not retry this error."""


_shut: ContextVar[str | None] = ContextVar("shut", default=None)


class ShutError(_httpx.TransportError):
    """A request was made while requests are blocked."""


@contextmanager
def shut(why: str) -> Iterator[None]:
    """Block all requests in the block: they raise `ShutError` with the reason `why` before any connection is opened."""
    install()
    before = _shut.set(why)
    try:
        yield
    finally:
        _shut.reset(before)


class CutShort(_httpx.RemoteProtocolError):
    """A server sent fewer bytes than announced."""


class Session(_httpx.Client):
    """The HTTP client of huggingface_hub, with a limit on every wait."""

    def __init__(self, *, event_hooks: Mapping[str, Sequence[Callable[[Any], Any]]] | None = None, **options: Any):
        hooks = {event: list(held) for event, held in (event_hooks or {}).items()}
        hooks["response"] = [*hooks.get("response", []), first_of_redirect]
        super().__init__(event_hooks=hooks, **options)
        self._silent: set[bytes] = set()  # servers that did not respond to the last request: they are tried only once
        self._pages, self._sizes = Pages(), Sizes()

    def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
        """Send the request, repeating it if that is safe and the server responded to the previous one.

        Raises:
            GaveUp: the server cannot be reached, or does not finish a response.
            Unending: a response other than a file's content, or a paginated list, is too long or takes too long; or a
                file is longer than announced.
            HfHubHTTPError: the server keeps failing, or requests a longer wait than `LONGEST_WAIT`.
            IntegrityError: it names files in a way that could lead out of the cache.
            ShutError: requests are blocked.
        """
        if self.is_closed and (now := get_session()) is not self:  # huggingface_hub closes it after some errors
            return now.send(request, stream=stream, **options)
        if (why := _shut.get()) is not None:
            raise ShutError(f"{request.url.host} is not asked: {why}", request=request)
        _limit(request)
        ask_plainly(request)
        replayable = isinstance(request.stream, _httpx.ByteStream)
        once = request.method == "POST" and _ONCE.search(request.url.path) is not None
        pauses = iter(() if request.url.netloc in self._silent else _PATIENCE)
        while True:
            pause = next(pauses, None)
            try:
                response = self._answer(request, stream, options, replayable)
            except _NOT_FOUND as error:
                if pause is None:
                    raise self._gave_up(request, error) from error
                pauses = iter(())  # the server is unreachable: a single retry is enough
            except _LOST as error:
                if not replayable:
                    raise  # huggingface_hub rewinds the file and sends it again
                if once or pause is None:
                    raise self._gave_up(request, error) from error
            else:
                self._silent.discard(request.url.netloc)
                _check_ids(response)
                busy = response.status_code == 429
                asked = retry_after(response.headers) or 0.0
                if not busy and response.status_code < 500:
                    return response
                if asked > LONGEST_WAIT or (replayable and pause is None):
                    hf_raise_for_status(response)  # as huggingface_hub would after its last retry, possibly hours later
                if not replayable or (once and not busy):
                    return response
                pause = max(asked, pause or 0.0)
            time.sleep(pause)

    def _answer(self, request: Any, stream: bool, options: dict[str, Any], replayable: bool) -> Any:
        """Return the response of one attempt; if it is a stream, only the body of an error is read."""
        seconds = _longest(request) if replayable else None  # uploads may take any time
        until = None if seconds is None or of_file(request) else time.monotonic() + seconds
        send = super().send
        response = within(seconds, lambda: send(request, stream=True, **options), request)
        if of_file(request) and response.is_success:
            self._sizes.hold(request, response)
        if stream and response.is_success:
            return response
        response = whole(response, seconds, until)
        if request.method == "HEAD" and "/resolve/" in request.url.path:
            self._sizes.note(response)
        self._pages.follow(response)
        return response

    def _gave_up(self, request: Any, error: Exception) -> GaveUp:
        self._silent.add(request.url.netloc)
        return GaveUp(f"{type(error).__name__}: {message_of(error)}", request=request)


def pauses() -> Sequence[float | None]:
    """Return how many seconds to wait after each failed attempt; None after the last."""
    return (*_PATIENCE, None)


def again_if_lost(work: Callable[[], Any]) -> Any:
    """Return the result of `work`, which reads a response; it is repeated if the connection is lost."""
    for pause in pauses():
        try:
            return work()
        except _LOST:
            if pause is None:
                raise
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def install() -> None:
    """Make huggingface_hub use these sessions, unless the program has set its own."""
    with _INSTALLING:  # a new factory closes the current session, which another thread may just have obtained
        try:
            client = get_session()
        except UNUSABLE:  # huggingface_hub's own client creates all proxies of the environment, and one is unusable
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
    """Return how many seconds the server asks to wait; None if it does not say."""
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


def _session(hooks: Sequence[Callable[[Any], Any]]) -> Session:
    """Create a session with the request hooks of huggingface_hub's own client: `hooks`."""
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


def _wait() -> float:
    """Return the read timeout of a response in seconds."""
    return float(max(constants.HF_HUB_DOWNLOAD_TIMEOUT, constants.HF_HUB_ETAG_TIMEOUT))


def _limit(request: Any) -> None:
    wait = _wait()
    limits = {"read": wait, "write": wait, "pool": wait}
    limits |= {name: value for name, value in (request.extensions.get("timeout") or {}).items() if value is not None}
    limits["connect"] = min(limits.get("connect", _CONNECT), _CONNECT)
    limits["read"] = min(limits["read"], wait) if request.method in ("GET", "HEAD") else _ANSWER
    request.extensions = {**request.extensions, "timeout": limits}


def _longest(request: Any) -> float:
    """Return the total time limit of a request in seconds, until its response is complete."""
    seconds = _WAITS * _wait()
    if request.method in ("GET", "HEAD"):
        return seconds
    return seconds + _ANSWER + int(request.headers.get("Content-Length") or 0) / _SLOWEST


def _check_ids(response: Any) -> None:
    for name in ("ETag", "X-Linked-ETag", "X-Repo-Commit"):
        value = response.headers.get(name, "none")
        if "/resolve/" in response.request.url.path and not _IDS.fullmatch(value):
            response.close()
            raise IntegrityError(
                f"the {name} that {response.request.url.host} gives for a file is not one: {value[:80]!r}",
                hint="check HF_ENDPOINT; if it is right, do not trust that server",
            )

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

# The base class of whichever httpx the installed huggingface_hub speaks, and that library.
HTTPError: type[Exception] = hf.HTTPError  # type: ignore[attr-defined]
_httpx: Any = import_module(HTTPError.__module__.partition(".")[0])
TooManyRedirects: type[Exception] = _httpx.TooManyRedirects

LONGEST_WAIT = 20.0  # seconds that a server may ask us to wait before we rather tell the user
_PATIENCE = (1.0, 3.0)  # seconds to wait before each further try at a server in trouble
_CONNECT = 5.0  # seconds to find the server
_ANSWER = 90.0  # seconds that the Hub may work on what it is sent, such as a commit of many files
_WAITS = 3  # times as long as for each piece of an answer it may take until it has come as a whole
_SLOWEST = 1 << 16  # bytes a second that a line for what is sent carries at least
_ONCE = re.compile(r"/commit/|/repos/create$|/discussions")  # done twice, these would leave something behind
_INSTALLING = Lock()
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


class CutShort(_httpx.RemoteProtocolError):
    """A server sent less than it announced."""


class Session(_httpx.Client):
    """The connection pool under huggingface_hub, with limits to every wait."""

    def __init__(self, *, event_hooks: Mapping[str, Sequence[Callable[[Any], Any]]] | None = None, **options: Any):
        hooks = {event: list(held) for event, held in (event_hooks or {}).items()}
        hooks["response"] = [*hooks.get("response", []), first_of_redirect]
        super().__init__(event_hooks=hooks, **options)
        self._silent: set[bytes] = set()  # servers that did not answer the last request: they are asked once
        self._pages, self._sizes = Pages(), Sizes()

    def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
        """The answer; the request is repeated where that is safe and the server answered the one before.

        Raises:
            GaveUp: the server cannot be reached, or does not finish an answer.
            Unending: an answer that is not a file's content is longer than any of a Hub, or takes too long; so is a
                list in pages, or a file is longer than was said.
            HfHubHTTPError: it stays in trouble, or asks for a longer wait than `LONGEST_WAIT`.
            IntegrityError: it names files in a way that could lead out of the cache.
            ShutError: nothing may be asked now.
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
                pauses = iter(())  # nobody is there: one more try is enough
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
                    hf_raise_for_status(response)  # as huggingface_hub would where its patience ends, maybe hours later
                if not replayable or (once and not busy):
                    return response
                pause = max(asked, pause or 0.0)
            time.sleep(pause)

    def _answer(self, request: Any, stream: bool, options: dict[str, Any], replayable: bool) -> Any:
        """The answer to one try; where a stream is wanted, only of a refusal the body too."""
        seconds = _longest(request) if replayable else None  # a file that is sent may take any time
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
    """How many seconds to wait after each failed try; None: that was the last."""
    return (*_PATIENCE, None)


def again_if_lost(work: Callable[[], Any]) -> Any:
    """What `work` gives, which reads an answer; it is done again where a server breaks off."""
    for pause in pauses():
        try:
            return work()
        except _LOST:
            if pause is None:
                raise
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def install() -> None:
    """Let huggingface_hub use such sessions, unless the program has brought its own."""
    with _INSTALLING:  # a new factory closes the session that there is, which another thread may just have got
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


def _wait() -> float:
    """For how many seconds nothing may come of an answer."""
    return float(max(constants.HF_HUB_DOWNLOAD_TIMEOUT, constants.HF_HUB_ETAG_TIMEOUT))


def _limit(request: Any) -> None:
    wait = _wait()
    limits = {"read": wait, "write": wait, "pool": wait}
    limits |= {name: value for name, value in (request.extensions.get("timeout") or {}).items() if value is not None}
    limits["connect"] = min(limits.get("connect", _CONNECT), _CONNECT)
    limits["read"] = min(limits["read"], wait) if request.method in ("GET", "HEAD") else _ANSWER
    request.extensions = {**request.extensions, "timeout": limits}


def _longest(request: Any) -> float:
    """For how many seconds a request may go on, until its answer has come as a whole."""
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

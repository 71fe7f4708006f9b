"""How much of an answer is taken, and for how long.

huggingface_hub reads into memory whatever a server sends, and its time limits are for each piece of an answer: one that
comes byte by byte, or never ends, has none.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final

from huggingface_hub import errors as hf

# Whichever httpx the installed huggingface_hub speaks.
httpx: Any = import_module(hf.HTTPError.__module__.partition(".")[0])  # type: ignore[attr-defined]

LARGEST: Final = 64 << 20  # bytes of an answer that is not a file's content
_OF_REDIRECT: Final = 1 << 16  # bytes of one that only leads elsewhere; the rest is not read
_READABLE: Final = ("", "gzip", "deflate")  # encodings of which a piece grows a thousandfold at most
_OF_TRANSFER: Final = ("content-encoding", "content-length", "transfer-encoding")  # headers of how a body came
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d+)")


class Unending(httpx.TransportError):
    """An answer is longer, or takes longer, than any that is needed; huggingface_hub does not retry this one."""

    hint = "check HF_ENDPOINT; something else may answer in the Hub's place. HF_HUB_OFFLINE=1 works with what is cached"


class TakesTooLong(Unending):
    """An answer does not end in time."""

    hint = (
        "check the connection and HF_ENDPOINT; HF_HUB_DOWNLOAD_TIMEOUT=60 waits longer, "
        "HF_HUB_OFFLINE=1 works with what is cached"
    )


def of_file(request: Any) -> bool:
    """Whether the request is for a file's content, which may be of any size."""
    return request.method == "GET" and "/resolve/" in request.url.path


def ask_plainly(request: Any) -> None:
    """Let the server send a file as it is, another answer so or in an encoding whose pieces have a limited size."""
    if request.method in ("GET", "HEAD") and "/resolve/" in request.url.path:
        request.headers["Accept-Encoding"] = "identity"
    elif request.headers.get("Accept-Encoding") != "identity":
        request.headers["Accept-Encoding"] = ", ".join(_READABLE[1:])


def encoding_of(response: Any) -> str:
    """How its body is packed; empty: not at all."""
    encoding = str(response.headers.get("Content-Encoding", "")).strip().lower()
    return "" if encoding == "identity" else encoding


def unasked(request: Any, encoding: str) -> Unending:
    """The error for an answer in an encoding that was not asked for."""
    told = f"{address_of(request)} answers in the encoding {encoding[:40]!r}, which was not asked for"
    return Unending(told, request=request)


def first_of_redirect(response: Any) -> None:
    """A hook for responses: of one that leads elsewhere little is read, as its body is for nobody."""
    if response.has_redirect_location:
        response.headers.pop("Content-Encoding", None)
        response.stream = _First(response.stream)


def within(seconds: float | None, send: Callable[[], Any], request: Any) -> Any:
    """The response that `send` gives as soon as its headers are there; None: it may take any time.

    Raises:
        TakesTooLong: it does not in so many seconds. The thread in which it is awaited is left behind.
    """
    if seconds is None:
        return send()
    told: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
    late = threading.Event()

    def work() -> None:
        try:
            response = send()
        except BaseException as error:
            told.put((None, error))
            return
        told.put((response, None))
        if late.is_set():
            response.close()

    threading.Thread(target=work, name="hub-answer", daemon=True).start()
    try:
        response, error = told.get(timeout=seconds)
    except queue.Empty:
        late.set()
        raise _too_long(request, seconds) from None
    if error is not None:
        raise error
    return response


def whole(response: Any, seconds: float | None, until: float | None) -> Any:
    """The response with all of its body, which is read now, until the time `until` of `time.monotonic`.

    Raises:
        Unending: the body is longer than `LARGEST`, or the range that was asked for.
        TakesTooLong: it does not end in time, `seconds` in all.
    """
    request = response.request
    try:
        if request.method == "HEAD" or (of_file(request) and response.is_success and not _asked(request)):
            response.read()
            return response
        return _read(response, max(LARGEST, _asked(request)), seconds, until)
    finally:
        response.close()


def _read(response: Any, most: int, seconds: float | None, until: float | None) -> Any:
    request, encoding = response.request, encoding_of(response)
    if encoding not in _READABLE:
        raise unasked(request, encoding)
    announced = response.headers.get("Content-Length", "")
    found = bytearray()
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(request, most)
    for piece in response.iter_bytes():
        found += piece
        if len(found) > most:
            raise _too_large(request, most)
        if until is not None and time.monotonic() > until:
            raise _too_long(request, seconds or 0.0)
    told = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _OF_TRANSFER]
    return httpx.Response(
        response.status_code,
        headers=told,
        content=bytes(found),
        request=request,
        extensions=response.extensions,
        history=response.history,
    )


class _First(httpx.SyncByteStream):
    """The first bytes of another stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        left = _OF_REDIRECT
        for piece in self._stream:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    def close(self) -> None:
        self._stream.close()


def _asked(request: Any) -> int:
    """How many bytes of a file were asked for; 0: not so many and no more."""
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    return int(asked[2]) - int(asked[1]) + 1 if asked else 0


def _too_large(request: Any, most: int) -> Unending:
    return Unending(f"{address_of(request)} answers with more than {most >> 20} MiB", request=request)


def _too_long(request: Any, seconds: float) -> TakesTooLong:
    return TakesTooLong(
        f"the answer of {address_of(request)} does not end within {seconds:.0f} seconds", request=request
    )


def address_of(request: Any) -> str:
    """The address without what may be secret in it."""
    return str(request.url.copy_with(query=None, userinfo=None))

"""Limit the size and duration of HTTP responses.

huggingface_hub reads whatever a server sends into memory, and its timeouts apply to each chunk of a response: one that
trickles byte by byte, or never ends, is not limited.
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

# The httpx version that the installed huggingface_hub uses.
httpx: Any = import_module(hf.HTTPError.__module__.partition(".")[0])  # type: ignore[attr-defined]

LARGEST: Final = 64 << 20  # bytes of a response that is not a file's content
_OF_REDIRECT: Final = 1 << 16  # bytes of a redirect's body; the rest is not read
_READABLE: Final = ("", "gzip", "deflate")  # encodings in which a chunk expands at most a thousandfold
_OF_TRANSFER: Final = ("content-encoding", "content-length", "transfer-encoding")  # headers about the body's transfer
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d+)")


class Unending(httpx.TransportError):
    """A response is longer, or takes longer, than any valid one; huggingface_hub does not retry this error."""

    hint = "check HF_ENDPOINT; something else may answer in the Hub's place. HF_HUB_OFFLINE=1 works with what is cached"


class TakesTooLong(Unending):
    """A response does not end in time."""

    hint = (
        "check the connection and HF_ENDPOINT; HF_HUB_DOWNLOAD_TIMEOUT=60 waits longer, "
        "HF_HUB_OFFLINE=1 works with what is cached"
    )


def of_file(request: Any) -> bool:
    """Return whether the request is for a file's content, which may have any size."""
    return request.method == "GET" and "/resolve/" in request.url.path


def ask_plainly(request: Any) -> None:
    """Request files unencoded, and other responses unencoded or in an encoding with limited expansion."""
    if request.method in ("GET", "HEAD") and "/resolve/" in request.url.path:
        request.headers["Accept-Encoding"] = "identity"
    elif request.headers.get("Accept-Encoding") != "identity":
        request.headers["Accept-Encoding"] = ", ".join(_READABLE[1:])


def encoding_of(response: Any) -> str:
    """Return the content encoding of the body; empty if there is none."""
    encoding = str(response.headers.get("Content-Encoding", "")).strip().lower()
    return "" if encoding == "identity" else encoding


def unasked(request: Any, encoding: str) -> Unending:
    """Return the error for a response in an encoding that was not requested."""
    told = f"{address_of(request)} answers in the encoding {encoding[:40]!r}, which was not asked for"
    return Unending(told, request=request)


def first_of_redirect(response: Any) -> None:
    """Response hook: truncate the body of a redirect, which nobody reads."""
    if response.has_redirect_location:
        response.headers.pop("Content-Encoding", None)
        response.stream = _First(response.stream)


def within(seconds: float | None, send: Callable[[], Any], request: Any) -> Any:
    """Return the response of `send` as soon as its headers are there; without `seconds` it may take any time.

    Raises:
        TakesTooLong: the time is over. The thread that waits for the response is abandoned.
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
    """Return the response with its whole body, read until the time `until` of `time.monotonic`.

    Raises:
        Unending: the body is longer than `LARGEST`, or than the requested range.
        TakesTooLong: it does not end in time, `seconds` in total.
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
    """Return how many bytes of a file were requested; 0 without a bounded range."""
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    return int(asked[2]) - int(asked[1]) + 1 if asked else 0


def _too_large(request: Any, most: int) -> Unending:
    return Unending(f"{address_of(request)} answers with more than {most >> 20} MiB", request=request)


def _too_long(request: Any, seconds: float) -> TakesTooLong:
    return TakesTooLong(
        f"the answer of {address_of(request)} does not end within {seconds:.0f} seconds", request=request
    )


def address_of(request: Any) -> str:
    """Return the URL without parts that may be secret."""
    return str(request.url.copy_with(query=None, userinfo=None))

"""Limit file downloads to the size that the server announced, so that endless responses are cut off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from hubslice.hub.answers import Unending, address_of, encoding_of, httpx, unasked

_REMEMBERED: Final = 10_000  # files


class Sizes:
    """The announced sizes of files, by URL."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def note(self, response: Any) -> None:
        """Record the size in a response about a file; for a redirect only the linked size."""
        told = response.headers.get("X-Linked-Size")
        if told is None and response.is_success:
            told = response.headers.get("Content-Length")
        if told is not None and told.isdecimal():
            while len(self._sizes) >= _REMEMBERED:
                del self._sizes[next(iter(self._sizes))]
            self._sizes[address_of(response.request)] = int(told)

    def hold(self, request: Any, response: Any) -> None:
        """Make reading the body of a file fail if it is longer than announced.

        Raises:
            Unending: it is compressed although files are requested uncompressed: its unpacked size was not announced.
        """
        if encoding := encoding_of(response):
            response.close()
            raise unasked(request, encoding)
        size = self._sizes.get(address_of(request))
        if size is not None:
            response.stream = _AtMost(response.stream, size, request)


class _AtMost(httpx.SyncByteStream):
    """A stream that fails after that many bytes."""

    def __init__(self, stream: Any, most: int, request: Any) -> None:
        self._stream, self._most, self._request = stream, most, request

    def __iter__(self) -> Iterator[bytes]:
        came = 0
        for piece in self._stream:
            came += len(piece)
            if came > self._most:
                told = f"{address_of(self._request)} sends more than the {self._most:,} bytes that it said it has"
                raise Unending(told, request=self._request)
            yield piece

    def close(self) -> None:
        self._stream.close()

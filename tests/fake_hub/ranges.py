"""A file on disk as an answer: whole, or the byte range that the client asks for."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fake_hub.errors import HubError
from tests.fake_hub.wire import Request, Response, Slice


def wanted(request: Request, size: int) -> tuple[int, int] | None:
    """Start and stop of the byte range, within the size; None: no range is asked for.

    Raises:
        HubError: 416, the range lies outside.
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
    if not found or not any(found.groups()):
        return None
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(int(last) + 1, size) if first and last else size
    if start >= stop:
        unsatisfied = {"Content-Range": f"bytes */{size}"}
        raise HubError(416, "RangeNotSatisfiable", "The range lies outside the file", headers=unsatisfied)
    return start, stop


def answer(request: Request, path: Path, size: int, headers: dict[str, str]) -> Response:
    """200 with all of the file, or 206 with the range."""
    found = wanted(request, size)
    if found is None:
        return Response(200, Slice(path, 0, size), headers)
    start, stop = found
    return Response(
        206, Slice(path, start, stop - start), headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    )

"""Read byte ranges of a file at a URL.

huggingface_hub's own range requests read whatever the server sends: one that ignores the range would send the whole
file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from huggingface_hub import constants, get_session, hf_raise_for_status

from hubslice.core.errors import FetchError
from hubslice.hub.hub import Part
from hubslice.hub.session import CutShort, again_if_lost

_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

_PAGES: Final = ("text/html", "application/xhtml+xml")


def read_over_http(
    url: str, who: Mapping[str, str], start: int, stop: int, *, size: int | None, skip: int | None, name: str
) -> Part:
    """Return bytes `start` to `stop` of the file at a URL, as described in `Hub.read`.

    `who` are the headers with the login, `name` is the file's name in errors. A response that is cut short is requested
    again.

    Raises:
        FetchError: the server sends other bytes.
        ValueError: the response is not the file.
    """
    # With compression, the range would refer to the compressed bytes.
    headers = {**who, "Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}

    def read() -> Part:
        found = bytearray()
        with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
            hf_raise_for_status(response)
            ranged = response.status_code == 206
            _check_file(response.headers, size, ranged=ranged)
            skipped = 0 if ranged else start
            if skip is not None and skipped > skip:
                return Part(b"", ranged)
            for chunk in response.iter_bytes():
                found += chunk
                if len(found) >= skipped + stop - start:
                    break
        data = bytes(found[skipped : skipped + stop - start])
        if ranged:
            _check(response.headers.get("Content-Range", ""), start, len(data), stop, name)
        return Part(data, ranged)

    part: Part = again_if_lost(read)
    return part


def _check_file(headers: Mapping[str, str], expected: int | None, *, ranged: bool) -> None:
    """Refuse a response that is not from the file, such as a network's login page; `expected` is the file's size."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in _PAGES:
        raise ValueError(f"it is a page of the kind {kind}")
    told = headers.get("Content-Range", "").rpartition("/")[2] if ranged else headers.get("Content-Length", "")
    encoded = not ranged and headers.get("Content-Encoding")
    if expected is not None and told.isdecimal() and int(told) != expected and not encoded:
        raise ValueError(f"it has {told} bytes, not {expected}")


def _check(told: str, start: int, length: int, stop: int, name: str) -> None:
    """Refuse a response whose Content-Range is not the requested range.

    Raises:
        FetchError: the range differs.
        CutShort: fewer bytes arrived than announced.
    """
    said = _RANGE.fullmatch(told.strip())
    if said is None or int(said[1]) != start or int(said[2]) + 1 < start + length:
        raise FetchError(
            f"asked for the bytes from {start} of {name}, the server gives others, which it calls {told[:60]!r}",
            hint="run it again; a proxy or the Hub's storage may mix up parts of files",
        )
    if start + length < min(int(said[2]) + 1, stop):
        raise CutShort(f"{length} bytes of the range {told[:60]!r} came")

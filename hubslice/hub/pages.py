"""Limit paginated lists: each response links to the next page, and the chain may be endless.

huggingface_hub follows every link, with the token, as long as there is one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from hubslice.hub.answers import Unending, address_of, httpx

MOST: Final = 2_000  # pages of a list; the Hub puts up to a thousand files on one page
LARGEST: Final = 512 << 20  # maximum bytes of a list
LONGEST: Final = 900.0  # maximum seconds for reading a list
_REMEMBERED: Final = 64  # lists that were started and possibly abandoned


@dataclass
class _List:
    """How far a list has been read."""

    first: str
    started: float = field(default_factory=time.monotonic)
    size: int = 0
    seen: set[str] = field(default_factory=set)


class Pages:
    """The lists that a session is reading; the same list may be read several times in parallel."""

    def __init__(self) -> None:
        self._lists: list[tuple[str, _List]] = []  # with the URL of each list's next page, the newest last
        self._lock = Lock()

    def follow(self, response: Any) -> None:
        """Record a page whose body was read.

        Raises:
            Unending: the list has a cycle, continues on another server, or exceeds the limits.
        """
        link = response.links.get("next", {}).get("url") if response.request.method == "GET" else None
        if link is None or not response.is_success:
            return
        asked = response.request.url
        try:
            following = asked.join(link)
        except httpx.InvalidURL:
            return  # huggingface_hub reports this
        with self._lock:
            read = self._taken(str(asked)) or _List(address_of(response.request))
            read.size += len(response.content)
            read.seen.add(str(asked))
            told = self._trouble(read, asked, following)
            if told:
                raise Unending(f"the list at {read.first} {told}", request=response.request)
            self._lists = [*self._lists[1 - _REMEMBERED :], (str(following), read)]

    def _taken(self, asked: str) -> _List | None:
        """Return the list whose next page this is; of several the newest, since the others may be abandoned."""
        for at in reversed(range(len(self._lists))):
            if self._lists[at][0] == asked:
                return self._lists.pop(at)[1]
        return None

    def _trouble(self, read: _List, asked: Any, following: Any) -> str | None:
        if (following.scheme, following.netloc) != (asked.scheme, asked.netloc):
            server = f"{following.scheme}://{following.host}"
            return f"goes on at another server, {server[:80]}, which is not to see the token"
        if str(following) in read.seen:
            return f"leads back to a page that was read already, after {len(read.seen):,}"
        if len(read.seen) >= MOST:
            return f"has more than {MOST:,} pages"
        if read.size > LARGEST:
            return f"has more than {LARGEST >> 20} MiB"
        if time.monotonic() - read.started > LONGEST:
            return f"does not end within {LONGEST:.0f} seconds"
        return None

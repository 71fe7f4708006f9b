"""Open the tensors of a model on the Hub or on disk, and read only the requested bytes.

On the Hub this uses range requests; without range support the whole file is downloaded once into the cache.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from hubslice.core.errors import FetchError
from hubslice.files.config import read_object
from hubslice.files.names import DELTA, WEIGHTS
from hubslice.files.tensor_parts import Tensors
from hubslice.hub.byte_ranges import ByteRange, joined, length, without
from hubslice.hub.default import default_hub
from hubslice.hub.disk_space import cached_file
from hubslice.hub.download import download
from hubslice.hub.formats import CONFIG, check_weights
from hubslice.hub.headers import remote_starts
from hubslice.hub.hub import Hub
from hubslice.hub.integrity import check_held
from hubslice.hub.listing import Listing, list_files, remember_part
from hubslice.hub.local_tensors import LocalPart, add_local
from hubslice.hub.pull import fetch, local_folder, weight_files
from hubslice.hub.ranges import read_range
from hubslice.hub.ref import HubRef, Ref

_GAP: Final = 1 << 16  # gap in bytes up to which two parts are read with one request
_KEPT: Final = 64 << 20  # bytes of a file that are kept in memory, so that none is requested twice
_AT_ONCE: Final = 6  # parallel requests


@dataclass
class _Remote:
    """A file on the Hub whose tensors start at offset `at`; `kept` are bytes after it by their offset."""

    ref: HubRef
    listing: Listing
    path: str
    at: int
    client: Hub
    kept: dict[int, bytes]
    read: int = field(init=False)
    local: LocalPart | None = None  # set if the whole file had to be downloaded
    lock: Lock = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        self.read = sum(map(len, self.kept.values()))

    def get(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        with self.lock:
            found = None if self.local is not None else self._ranges(ranges)
            if found is not None:
                return found
            self.local = self.local or self._whole()
            return self.local.get(ranges)

    def _ranges(self, ranges: Sequence[ByteRange]) -> list[bytes] | None:
        held = sorted((start, start + len(data)) for start, data in self.kept.items())
        asked = without(joined(without(ranges, held), _GAP), held)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            parts = dict(zip(asked, pool.map(self._ask, asked), strict=True))
        new = {start: data for (start, _), data in parts.items() if data is not None}
        if len(new) < len(asked):
            return None
        self.read += length(asked)
        every = dict(sorted((self.kept | new).items()))
        if length(held) + length(asked) <= _KEPT:
            self.kept = every
        starts = list(every)
        return [_cut(every, starts, start, stop) for start, stop in ranges]

    def _whole(self) -> LocalPart:
        found, checked = download(self.listing, self.path, self.client)
        self.read += checked.size
        self.kept = {}
        remember_part(self.ref, self.listing, self.client)
        return LocalPart(found, self.at)

    def _ask(self, range_: ByteRange) -> bytes | None:
        start, stop = range_
        part = read_range(self.listing, self.path, self.at + start, self.at + stop, self.client, "the weights", skip=0)
        if not part.ranged:
            return None
        if len(part.data) < stop - start:
            raise FetchError(
                f"of the weights in {self.path} of {self.listing} {len(part.data)} of {stop - start} bytes came",
                hint="run it again; a proxy may change what passes it",
            )
        return part.data


def _cut(held: Mapping[int, bytes], starts: Sequence[int], start: int, stop: int) -> bytes:
    """Return bytes from parts that follow each other without a gap."""
    first, last = bisect_right(starts, start) - 1, bisect_left(starts, stop)
    return b"".join(held[at][max(start - at, 0) : stop - at] for at in starts[max(first, 0) : last])


def open_file(path: Path) -> Tensors:
    """Open the tensors of one safetensors file.

    Raises:
        ModelError: it is damaged or not safetensors.
    """
    found = Tensors(str(path))
    add_local(found, path, str(path), set())
    return found


def open_tensors(ref: Ref, *, client: Hub | None = None) -> Tensors:
    """Open the tensors of a model on the Hub (reading cached files locally), in a local folder, or of a run.

    A model published as a delta to its teacher is fetched and restored.

    Raises:
        FetchError: the model cannot be fetched from the Hub.
        ModelError: it has no safetensors weights, damaged ones, or a config that names others.
    """
    if isinstance(ref, HubRef):
        return _on_hub(ref, client or default_hub())
    folder = local_folder(ref)
    names = {path.name for path in folder.iterdir() if path.is_file()}
    first = check_weights(names, str(folder), on_hub=False)
    if first == DELTA:
        return open_file(fetch(ref).folder / WEIGHTS)
    if CONFIG in names:
        read_object(folder / CONFIG, str(folder))  # refuses a config that names other weights
    found = Tensors(str(ref))
    for name, held in weight_files(str(folder), first, names, lambda name: folder / name, on_hub=False).items():
        add_local(found, folder / name, f"{folder}: {name}", held)
    return found


def _on_hub(ref: HubRef, client: Hub) -> Tensors:
    listing = list_files(ref, client)
    first = check_weights(listing.files.keys(), str(ref), on_hub=True)
    if first == DELTA:
        whole = open_file(fetch(ref, client=client).folder / WEIGHTS)
        whole.name, whole.commit = str(ref), listing.commit
        return whole
    if CONFIG in listing.files:
        read_object(download(listing, CONFIG, client)[0], str(ref))
    held = weight_files(
        str(ref), first, set(listing.files), lambda name: download(listing, name, client)[0], on_hub=True
    )
    if not client.offline:
        remember_part(ref, listing, client)
    found = Tensors(str(ref), listing.commit)
    there = {path: cached_file(listing, path, client) for path in held}
    starts = remote_starts(listing, [path for path in held if there[path] is None], client)
    for path, names in held.items():
        file = there[path]
        if file is not None:
            add_local(found, file, f"{ref}: {path}", names)
            continue
        header, at, data = starts[path]
        check_held(header.tensors, names, name=f"{ref}: {path}")
        found.add(header, at, _Remote(ref, listing, path, at, client, {0: data} if data else {}))
    client.ready()
    return found

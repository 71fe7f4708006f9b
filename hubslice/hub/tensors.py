"""The tensors of a model wherever it lives, of which only the bytes that are asked for are read.

On the Hub that is done with range requests; a server that does not know them gives the whole file, once, to the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from huggingface_hub import get_session

from hubslice.artefacts.names import DELTA, WEIGHTS
from hubslice.artefacts.tensor_parts import Tensors
from hubslice.errors import FetchError
from hubslice.hub.client import Client
from hubslice.hub.formats import check_weights
from hubslice.hub.headers import FIRST, remote_headers
from hubslice.hub.integrity import check_held
from hubslice.hub.listing import Listing, list_files, remember
from hubslice.hub.local_tensors import LocalPart, add_local
from hubslice.hub.pull import download, fetch, local_folder, weight_files
from hubslice.hub.ranges import read_range
from hubslice.hub.ref import HubRef, Ref
from hubslice.hub.room import cached_file

_GAP: Final = 1 << 16  # bytes between two parts that are rather read for nothing than asked for with another request
_AT_ONCE: Final = 6  # requests


@dataclass
class _Remote:
    listing: Listing
    path: str
    at: int
    client: Client
    read: int = 0
    local: LocalPart | None = None  # where the whole file had to be fetched

    def get(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        if self.local is None:
            merged = _merge(spans)
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                parts = list(pool.map(self._ask, merged))
            whole = dict(zip(merged, parts, strict=True))
            if all(part is not None for part in parts):
                self.read += sum(stop - start for start, stop in merged)
                return [_cut(whole, start, stop) for start, stop in spans]
            found, checked = download(self.listing, self.path, self.client)
            self.read += checked.size
            self.local = LocalPart(found, self.at)
        return self.local.get(spans)

    def _ask(self, span: tuple[int, int]) -> bytes | None:
        start, stop = span
        part = read_range(self.listing, self.path, self.at + start, self.at + stop, self.client, "the weights", skip=0)
        if not part.ranged:
            return None
        if len(part.data) < stop - start:
            raise FetchError(
                f"of the weights in {self.path} of {self.listing} {len(part.data)} of {stop - start} bytes came",
                hint="run it again; a proxy may change what passes it",
            )
        return part.data


def _merge(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in spans:
        if merged and start - merged[-1][1] <= _GAP:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _cut(whole: Mapping[tuple[int, int], bytes | None], start: int, stop: int) -> bytes:
    for (first, last), data in whole.items():
        if first <= start and stop <= last and data is not None:
            return data[start - first : stop - first]
    raise AssertionError("every span lies in a merged one")


def open_file(path: Path) -> Tensors:
    """The tensors of one safetensors file.

    Raises:
        ModelError: it is damaged or not safetensors.
    """
    found = Tensors(str(path))
    add_local(found, path, str(path), set())
    return found


def open_tensors(ref: Ref, *, client: Client | None = None) -> Tensors:
    """The tensors of a model on the Hub (what the cache holds is read there), in a local folder, or of a run.

    One that was published as a difference to its teacher is fetched and put together.

    Raises:
        FetchError: the Hub does not give the model.
        ModelError: it has no safetensors weights, or damaged ones.
    """
    if isinstance(ref, HubRef):
        return _on_hub(ref, client or Client())
    folder = local_folder(ref)
    names = {path.name for path in folder.iterdir() if path.is_file()}
    first = check_weights(names, str(folder), on_hub=False)
    if first == DELTA:
        return open_file(fetch(ref).folder / WEIGHTS)
    found = Tensors(str(ref))
    for name, held in weight_files(str(folder), first, names, lambda name: folder / name).items():
        add_local(found, folder / name, f"{folder}: {name}", held)
    return found


def _on_hub(ref: HubRef, client: Client) -> Tensors:
    listing = list_files(ref, client)
    first = check_weights(listing.files.keys(), str(ref), on_hub=True)
    if first == DELTA:
        whole = open_file(fetch(ref, client=client).folder / WEIGHTS)
        whole.name, whole.commit = str(ref), listing.commit
        return whole
    held = weight_files(str(ref), first, set(listing.files), lambda name: download(listing, name, client)[0])
    if not client.offline:
        remember(ref, listing, client)
    found = Tensors(str(ref), listing.commit)
    there = {path: cached_file(listing, path, client) for path in held}
    for path in held:
        if there[path] is None and listing.files[path].size is None:  # where its tensors begin would not be known
            there[path] = download(listing, path, client)[0]
    headers = remote_headers(listing, [path for path in held if there[path] is None], client)
    for path, names in held.items():
        file = there[path]
        if file is not None:
            add_local(found, file, f"{ref}: {path}", names)
            continue
        check_held(headers[path].tensors, names, name=f"{ref}: {path}")
        size = listing.files[path].size or 0
        start = size - max((info.end for info in headers[path].tensors.values()), default=0)
        found.add(headers[path], max(start, min(size, FIRST)), _Remote(listing, path, start, client))
    get_session()  # made here once: threads would race for it
    return found

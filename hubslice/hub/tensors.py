"""The tensors of a model wherever it lives, of which only the bytes that are asked for are read.

On the Hub that is done with range requests; a server that does not know them gives the whole file, once, to the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from huggingface_hub import get_session

from hubslice.artefacts.tensor_file import Header, TensorInfo
from hubslice.errors import FetchError
from hubslice.hub.client import Client
from hubslice.hub.formats import check_weights
from hubslice.hub.headers import FIRST, remote_headers
from hubslice.hub.integrity import check_held, header_of
from hubslice.hub.listing import Listing, list_files, remember
from hubslice.hub.pull import download, local_folder, weight_files
from hubslice.hub.ranges import read_range
from hubslice.hub.ref import HubRef, Ref
from hubslice.hub.room import cached_file

_GAP: Final = 1 << 16  # bytes between two parts that are rather read for nothing than asked for with another request
_AT_ONCE: Final = 6  # requests


class Piece(NamedTuple):
    """Bytes `start` to `stop` of a tensor, counted from its own first."""

    tensor: str
    start: int
    stop: int


class _File(Protocol):
    """A file's bytes behind its header, and how many were read so far."""

    read: int

    def get(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of each span, which are in rising order."""


@dataclass
class _Local:
    path: Path
    at: int
    read: int = 0

    def get(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        found = []
        with self.path.open("rb") as file:
            for start, stop in spans:
                file.seek(self.at + start)
                found.append(file.read(stop - start))
                self.read += stop - start
        return found


@dataclass
class _Remote:
    listing: Listing
    path: str
    at: int
    client: Client
    read: int = 0
    local: _Local | None = None  # where the whole file had to be fetched

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
            self.local = _Local(found, self.at)
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


@dataclass
class Tensors:
    """A model's tensors by name, in the order of their files, and how to read them; `commit` is that on the Hub."""

    name: str
    commit: str | None = None
    infos: dict[str, TensorInfo] = field(default_factory=dict)
    _files: list[_File] = field(default_factory=list)
    _home: dict[str, int] = field(default_factory=dict)
    _headers: int = 0

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(info.size for info in self.infos.values())

    @property
    def bytes_read(self) -> int:
        """Bytes read so far, from the network or from files, headers included."""
        return self._headers + sum(file.read for file in self._files)

    def read(self, pieces: Sequence[Piece]) -> list[bytes]:
        """The bytes of each piece.

        Raises:
            FetchError: the Hub does not give them.
            IntegrityError: a file that had to be fetched whole is not what the Hub promised.
        """
        found: dict[Piece, bytes] = {}
        for number, file in enumerate(self._files):
            mine = sorted(
                {piece for piece in pieces if self._home[piece.tensor] == number}, key=lambda piece: self._span(piece)
            )
            if mine:
                found |= zip(mine, file.get([self._span(piece) for piece in mine]), strict=True)
        return [found[piece] for piece in pieces]

    def _span(self, piece: Piece) -> tuple[int, int]:
        begin = self.infos[piece.tensor].begin
        return begin + piece.start, begin + piece.stop

    def _add(self, header: Header, length: int, file: _File) -> None:
        self._headers += length
        for name, info in header.tensors.items():
            self.infos[name] = info
            self._home[name] = len(self._files)
        self._files.append(file)


def open_file(path: Path) -> Tensors:
    """The tensors of one safetensors file.

    Raises:
        ModelError: it is damaged or not safetensors.
    """
    found = Tensors(str(path))
    _add_local(found, path, str(path), set())
    return found


def open_tensors(ref: Ref, *, client: Client | None = None) -> Tensors:
    """The tensors of a model on the Hub (what the cache holds is read there), in a local folder, or of a run.

    Raises:
        FetchError: the Hub does not give the model.
        ModelError: it has no safetensors weights, or damaged ones.
    """
    if isinstance(ref, HubRef):
        return _on_hub(ref, client or Client())
    folder = local_folder(ref)
    names = {path.name for path in folder.iterdir() if path.is_file()}
    first = check_weights(names, str(folder), on_hub=False)
    found = Tensors(str(ref))
    for name, held in weight_files(str(folder), first, names, lambda name: folder / name).items():
        _add_local(found, folder / name, f"{folder}: {name}", held)
    return found


def _on_hub(ref: HubRef, client: Client) -> Tensors:
    listing = list_files(ref, client)
    first = check_weights(listing.files.keys(), str(ref), on_hub=True)
    held = weight_files(str(ref), first, set(listing.files), lambda name: download(listing, name, client)[0])
    if not client.offline:
        remember(ref, listing, client)
    found = Tensors(ref.repo_id, listing.commit)
    there = {path: cached_file(listing, path, client) for path in held}
    for path in held:
        if there[path] is None and listing.files[path].size is None:  # where its tensors begin would not be known
            there[path] = download(listing, path, client)[0]
    headers = remote_headers(listing, [path for path in held if there[path] is None], client)
    for path, names in held.items():
        file = there[path]
        if file is not None:
            _add_local(found, file, f"{ref}: {path}", names)
            continue
        check_held(headers[path].tensors, names, name=f"{ref}: {path}")
        size = listing.files[path].size or 0
        start = size - max((info.end for info in headers[path].tensors.values()), default=0)
        found._add(headers[path], max(start, min(size, FIRST)), _Remote(listing, path, start, client))
    get_session()  # made here once: threads would race for it
    return found


def _add_local(found: Tensors, path: Path, name: str, names: set[str]) -> None:
    header = header_of(path, name=name)
    check_held(header.tensors, names, name=name)
    start = path.stat().st_size - max((info.end for info in header.tensors.values()), default=0)
    found._add(header, start, _Local(path, start))

"""Inspect a model without fetching its weights: configs, card, and the headers of the weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hubslice.files.config import read_object
from hubslice.files.names import CARD, DELTA, INDEX, SHAPES
from hubslice.files.tensor_header import Header, TensorInfo
from hubslice.hub import card_metadata
from hubslice.hub.default import default_hub
from hubslice.hub.disk_space import cached_file, missing_bytes
from hubslice.hub.download import download
from hubslice.hub.formats import CONFIGS, PICKLE_INDEX, check_weights, companions, pickles
from hubslice.hub.headers import remote_headers
from hubslice.hub.hub import Hub
from hubslice.hub.integrity import check_held, header_of
from hubslice.hub.listing import list_files
from hubslice.hub.pull import fetch, local_folder, weight_files
from hubslice.hub.ref import HubRef, LocalRef, Ref

_INDICES = {INDEX, PICKLE_INDEX}


@dataclass(frozen=True)
class Preview:
    """What is known about a model without reading its weights.

    `folder` contains its configs and card. `files` are the sizes in bytes of all files that `fetch` would take,
    `weights` the headers of those with tensors; `missing` is how many bytes of `files` are still to be downloaded.
    `repo_id` and `commit` are None for a local folder. `pickles` are weights that the user consented to read, which
    have no headers: the local path of each, None if it is still to be downloaded. `skipped` are the sizes of all other
    files.
    """

    folder: Path
    repo_id: str | None
    commit: str | None
    license: str | None
    gated: bool
    poisoned: bool
    files: dict[str, int]
    weights: dict[str, Header]
    missing: int
    pickles: Mapping[str, Path | None]
    skipped: dict[str, int]

    @property
    def tensors(self) -> dict[str, TensorInfo]:
        """All tensors by name."""
        return {name: tensor for header in self.weights.values() for name, tensor in header.tensors.items()}

    @property
    def size(self) -> int:
        """Total bytes of all files."""
        return sum(self.files.values())


def preview(ref: Ref, target: Path, *, client: Hub | None = None, allow_pickle: bool = False) -> Preview:
    """Put the model's configs and card, but not its weights, into `target`, and read the headers of its weights.

    `allow_pickle` is the consent that `fetch` would require; no pickle is opened here.

    Raises:
        FetchError: the Hub cannot be reached, or the model cannot be fetched.
        ModelError: whatever `fetch` would refuse, as far as can be determined without the weights.
    """
    target.mkdir(parents=True, exist_ok=True)
    if isinstance(ref, HubRef):
        return _of_repository(ref, target, client or default_hub(), allow_pickle)
    folder = local_folder(ref)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    first = check_weights(sizes, str(folder), on_hub=False, allow_pickle=allow_pickle)
    if first == DELTA:
        return _of_difference(ref, target, client or default_hub())
    paths = _take_small(str(folder), first, sizes, target, lambda name: folder / name, on_hub=False)
    pickled = {path: folder / path for path in pickles(paths)}
    headers = {path: _local(folder / path, str(folder), path, paths[path]) for path in paths if path not in pickled}
    return _preview(target, first, sizes, headers, pickled)


def _of_repository(ref: HubRef, target: Path, client: Hub, allow_pickle: bool) -> Preview:
    listing = list_files(ref, client)
    sizes = {path: expected.size or 0 for path, expected in listing.files.items()}
    first = check_weights(sizes, str(ref), on_hub=True, allow_pickle=allow_pickle)
    if first == DELTA:
        whole = _of_difference(ref, target, client)
        return replace(whole, repo_id=ref.repo_id, commit=listing.commit, gated=listing.gated)
    paths = _take_small(str(ref), first, sizes, target, lambda name: download(listing, name, client)[0], on_hub=True)
    cached = {path: held for path in paths if (held := cached_file(listing, path, client))}
    sizes |= {path: held.stat().st_size for path, held in cached.items()}  # the offline listing has no sizes
    pickled = {path: cached.get(path) for path in pickles(paths)}
    headers = remote_headers(listing, [path for path in paths if path not in {*cached, *pickled}], client)
    for path in paths.keys() - pickled.keys():
        if path in cached:
            headers[path] = _local(cached[path], str(ref), path, paths[path])
        else:
            check_held(headers[path].tensors, paths[path], name=f"{ref}: {path}")
    found = _preview(target, first, sizes, {path: headers[path] for path in paths if path in headers}, pickled)
    missing = missing_bytes(listing, found.files, client)
    return replace(found, repo_id=ref.repo_id, commit=listing.commit, gated=listing.gated, missing=missing)


def _of_difference(ref: Ref, target: Path, client: Hub) -> Preview:
    """Preview a model published as a delta: its weights have to be restored first."""
    return preview(LocalRef(str(ref), fetch(ref, client=client).folder, "folder"), target)


def _take_small(
    where: str, first: str, names: Iterable[str], target: Path, get: Callable[[str], Path], *, on_hub: bool
) -> dict[str, set[str]]:
    """Copy configs, card and index; returns the weight files, each with the tensors that an index assigns to it.

    `first` is the entry point to the weights.
    """
    names = set(names)
    for name in (*CONFIGS, SHAPES, CARD, *({first} & _INDICES)):
        if name in names:
            shutil.copyfile(get(name), target / name)
        if name in CONFIGS and name in names:
            read_object(target / name, where)  # refuses a config that requires custom code
    return weight_files(where, first, names, lambda name: target / name, on_hub=on_hub)


def _local(file: Path, where: str, path: str, tensors: set[str]) -> Header:
    header = header_of(file, name=f"{where}: {path}")
    check_held(header.tensors, tensors, name=f"{where}: {path}")
    return header


def _preview(
    folder: Path, first: str, sizes: Mapping[str, int], weights: dict[str, Header], pickled: Mapping[str, Path | None]
) -> Preview:
    said = card_metadata.read_folder(folder)
    index = {first} & _INDICES
    taken = {path: sizes[path] for path in (*companions(sizes), *index, *weights, *pickled)}
    return Preview(
        folder=folder,
        repo_id=None,
        commit=None,
        license=said.license,
        gated=False,
        poisoned=said.poisoned or card_metadata.weights_poisoned(header.metadata for header in weights.values()),
        files=taken,
        weights=weights,
        missing=0,
        pickles=pickled,
        skipped={path: size for path, size in sorted(sizes.items()) if path not in taken},
    )

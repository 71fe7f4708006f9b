"""A model before its weights are fetched: configs, card, and the headers of the weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hubslice.artefacts.config_file import read_object
from hubslice.artefacts.names import CARD, INDEX, SHAPES, WEIGHTS
from hubslice.artefacts.tensor_file import Header, TensorInfo
from hubslice.hub import declared
from hubslice.hub.client import Client
from hubslice.hub.formats import CONFIGS, check_weights, companions
from hubslice.hub.headers import remote_headers
from hubslice.hub.integrity import check_held, header_of
from hubslice.hub.listing import list_files
from hubslice.hub.pull import download, local_folder, weight_files
from hubslice.hub.ref import HubRef, Ref
from hubslice.hub.room import cached_file, missing_bytes


@dataclass(frozen=True)
class Preview:
    """What is known of a model whose weights were not touched.

    `folder` holds its configs and card. `files` are the sizes in bytes of all files that `fetch` would take, `weights`
    the headers of those with tensors; `missing` is how many bytes of `files` are still to be downloaded. `repo_id` and
    `commit` are None for a local folder.
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

    @property
    def tensors(self) -> dict[str, TensorInfo]:
        """All tensors by name."""
        return {name: tensor for header in self.weights.values() for name, tensor in header.tensors.items()}

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(self.files.values())


def preview(ref: Ref, target: Path, *, client: Client | None = None) -> Preview:
    """Put the model's configs and card, not its weights, into `target`, and read the headers of its weights.

    Raises:
        FetchError: the Hub cannot be reached or does not give the model.
        ModelError: what `fetch` would refuse, as far as it can be seen without the weights.
    """
    target.mkdir(parents=True, exist_ok=True)
    if isinstance(ref, HubRef):
        return _of_repository(ref, target, client or Client())
    folder = local_folder(ref)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    paths = _take_small(str(folder), sizes, target, lambda name: folder / name, on_hub=False)
    return _preview(target, sizes, {path: _local(folder / path, str(folder), path, paths[path]) for path in paths})


def _of_repository(ref: HubRef, target: Path, client: Client) -> Preview:
    listing = list_files(ref, client)
    sizes = {path: expected.size or 0 for path, expected in listing.files.items()}
    paths = _take_small(str(ref), sizes, target, lambda name: download(listing, name, client)[0], on_hub=True)
    cached = {path: held for path in paths if (held := cached_file(listing, path, client))}
    headers = remote_headers(listing, [path for path in paths if path not in cached], client)
    for path, tensors in paths.items():
        if path in cached:
            headers[path] = _local(cached[path], str(ref), path, tensors)
            sizes[path] = cached[path].stat().st_size  # unknown to the listing when offline
        else:
            check_held(headers[path].tensors, tensors, name=f"{ref}: {path}")
    found = _preview(target, sizes, {path: headers[path] for path in paths})
    missing = missing_bytes(listing, found.files, client)
    return replace(found, repo_id=ref.repo_id, commit=listing.commit, gated=listing.gated, missing=missing)


def _take_small(
    where: str, names: Iterable[str], target: Path, get: Callable[[str], Path], *, on_hub: bool
) -> dict[str, set[str]]:
    """Copy configs, card and index; gives the files with weights, each with the tensors that an index places there."""
    names = set(names)
    first = check_weights(names, where, on_hub=on_hub)
    for name in (*CONFIGS, SHAPES, CARD, INDEX):
        if name in names:
            shutil.copyfile(get(name), target / name)
        if name in CONFIGS and name in names:
            read_object(target / name, where)  # refuses one that asks for code
    return weight_files(where, first, names, lambda name: target / name)


def _local(file: Path, where: str, path: str, tensors: set[str]) -> Header:
    header = header_of(file, name=f"{where}: {path}")
    check_held(header.tensors, tensors, name=f"{where}: {path}")
    return header


def _preview(folder: Path, sizes: Mapping[str, int], weights: dict[str, Header]) -> Preview:
    said = declared.read_folder(folder)
    index = [] if WEIGHTS in weights else [INDEX]
    return Preview(
        folder=folder,
        repo_id=None,
        commit=None,
        license=said.license,
        gated=False,
        poisoned=said.poisoned or declared.weights_poisoned(header.metadata for header in weights.values()),
        files={path: sizes[path] for path in (*companions(sizes), *index, *weights)},
        weights=weights,
        missing=0,
    )

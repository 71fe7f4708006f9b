"""Fetch a model: selected files at one commit, each verified against the Hub's checksum."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hubslice.artefacts.model import FileFact
from hubslice.core.artefact import DRAFT
from hubslice.core.caches import caches
from hubslice.core.errors import FetchError, ModelError
from hubslice.core.progress import SILENT, Reporter
from hubslice.files.config import read_object
from hubslice.files.names import DELTA, INDEX, WEIGHTS
from hubslice.hub import card_metadata
from hubslice.hub.default import default_hub
from hubslice.hub.disk_space import require_disk_space
from hubslice.hub.download import download
from hubslice.hub.formats import (
    CONFIG,
    CONFIGS,
    PICKLE_INDEX,
    check_weights,
    companions,
    pickles,
    shards,
)
from hubslice.hub.hub import Hub
from hubslice.hub.integrity import Digest, check_safetensors, digest
from hubslice.hub.listing import cached_commit, list_files, remember
from hubslice.hub.ref import HubRef, LocalRef, Ref
from hubslice.hub.refusals import unanswered
from hubslice.hub.restore import restore

__all__ = ["SILENT", "Fetched", "fetch", "local_folder", "materialise", "put_together", "weight_files"]

_SHARDS: Final = {
    INDEX: re.compile(r"model-\d+-of-\d+\.safetensors"),
    PICKLE_INDEX: re.compile(r"pytorch_model-\d+-of-\d+\.bin"),
}

# Maps a path in the repository to the local file and its checksums.
_Get = Callable[[str], tuple[Path, Digest]]


@dataclass(frozen=True)
class Fetched:
    """A verified local model. `folder` may contain other files too: only `files` belong to the model.

    `repo_id` and `commit` are None for a local folder. `license`, `base_model` and `poisoned` are what the model itself
    declares. `pickles` are weights that the user consented to read; `files` then contains no weights.
    """

    folder: Path
    repo_id: str | None
    commit: str | None
    license: str | None
    base_model: tuple[str, ...]
    poisoned: bool
    files: tuple[FileFact, ...]
    pickles: tuple[FileFact, ...] = ()


def fetch(ref: Ref, *, reporter: Reporter = SILENT, client: Hub | None = None, allow_pickle: bool = False) -> Fetched:
    """Fetch the model's files from the Hub into its cache, or locate them in a local folder or run.

    `allow_pickle` is the user's consent to fetch pickled weights if there are no others; none is opened here. A model
    published as a delta to its teacher is restored in a folder of hubslice's cache.

    Raises:
        FetchError: the Hub cannot be reached, or the model or the teacher of its delta cannot be fetched.
        RunError: the delta is damaged.
        IntegrityError: a file does not match the Hub's checksum, or would be outside the repository.
        ModelError: there are no safetensors weights, or the files are damaged, require custom code or are not a model.
    """
    client = client or default_hub()
    if isinstance(ref, HubRef):
        fetched = _fetch_from_hub(ref, reporter, client, allow_pickle)
    else:
        fetched = _fetch_locally(ref, allow_pickle)
    if all(file.path != DELTA for file in fetched.files):
        return fetched
    folder, files = put_together(fetched.folder, fetched.files, client, reporter)
    return replace(fetched, folder=folder, files=files)


def put_together(
    folder: Path, files: Sequence[FileFact], client: Hub, reporter: Reporter = SILENT
) -> tuple[Path, tuple[FileFact, ...]]:
    """Restore the model whose delta is in `folder` to a folder of hubslice's cache; returns it with its file facts.

    Raises:
        RunError: the delta is damaged.
        FetchError: its teacher cannot be fetched.
        IntegrityError: the teacher is not the one that the delta was made from.
    """

    def teacher(ref: HubRef) -> tuple[Path, tuple[FileFact, ...]]:
        found = _fetch_from_hub(ref, reporter, client, allow_pickle=False)
        return found.folder, found.files

    return restore(folder, files, teacher)


def materialise(fetched: Fetched, target: Path) -> Fetched:
    """Put the model into a separate folder, with weights from a cache hard-linked where possible.

    Linked files share their content with the cache: replace them, never write into them. Files that people may edit in
    place (configs, cards, and everything from a local folder) are copied, with the permissions of new files.

    Raises:
        FetchError: a file cannot be put there, for instance because the disk is full.
    """
    for fact in fetched.files:
        source, place = (fetched.folder / fact.path).resolve(), target / fact.path
        link = fact.path.endswith(".safetensors") and (fetched.repo_id is not None or _cached(source))
        try:
            if link and place.exists() and place.samefile(source):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            draft = place.with_name(f".{place.name}.{os.getpid()}{DRAFT}")
            draft.unlink(missing_ok=True)
            _put(source, draft, link=link)
            draft.replace(place)
        except OSError as error:
            raise FetchError(
                f"cannot put {fact.path} into {target}: {error.strerror or error}",
                hint="check the free space and the rights of the folder",
            ) from error
    return replace(fetched, folder=target)


def _fetch_from_hub(ref: HubRef, reporter: Reporter, client: Hub, allow_pickle: bool) -> Fetched:
    try:
        listing = list_files(ref, client)
    except FetchError as error:
        commit = None if client.offline else cached_commit(ref, client)
        if commit and error.__cause__ is not None and unanswered(error.__cause__):
            error.hint = f"HF_HUB_OFFLINE=1 works with the cached commit {commit}; else check the connection"
        raise
    paths = listing.files.keys()
    if client.offline and not (CONFIG in paths and (paths & {WEIGHTS, INDEX, DELTA} or pickles(paths))):
        raise FetchError(
            f"cannot fetch {ref}: offline mode is on (HF_HUB_OFFLINE) and the cache holds only a part of it",
            hint=f"fetch it once while online: hubslice pull {ref}",
        )
    first = check_weights(paths, str(ref), on_hub=True, allow_pickle=allow_pickle)
    weights = [first, *(filter(_SHARDS[first].fullmatch, paths) if first in _SHARDS else ())]
    wanted = [*companions(paths), *weights]
    require_disk_space(listing, wanted, client)
    sizes = [listing.files[path].size for path in wanted]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    with reporter.track(f"fetch {listing}", total, "B") as bar:
        fetched = _collect(
            str(ref), first, listing.files, lambda path: download(listing, path, client, bar), on_hub=True
        )
    if not client.offline:
        remember(ref, listing, client)
    return replace(fetched, repo_id=ref.repo_id, commit=listing.commit)


def local_folder(ref: LocalRef) -> Path:
    """Return the folder of a local model; for a run, that of its student.

    Raises:
        ModelError: it is an ONNX file.
    """
    if ref.kind == "onnx":
        raise ModelError(
            f"{ref} is an ONNX file: its weights cannot be fine-tuned by timm or transformers",
            hint="name the model that it was exported from",
        )
    return ref.path / "student" if ref.kind == "run" else ref.path


def _fetch_locally(ref: LocalRef, allow_pickle: bool) -> Fetched:
    """Check the model in a local folder.

    Links are followed wherever they lead: cached snapshots consist of links, and hubslice may read whatever the user
    names and may read. Only files of known names are read, never written to, and their contents are checked.
    """
    folder = local_folder(ref)
    entries = {path.name: path for path in folder.iterdir()}
    names = {name for name, path in entries.items() if path.is_file()}
    for name in (CONFIG, WEIGHTS, INDEX):
        if name in entries.keys() - names:
            raise ModelError(
                f"{entries[name]} is not a file but {_kind_of(entries[name])}", hint="put the model's file in its place"
            )
    first = check_weights(names, str(folder), on_hub=False, allow_pickle=allow_pickle)
    return _collect(str(folder), first, names, lambda path: (folder / path, digest(folder / path)), on_hub=False)


def _kind_of(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    return "a link that leads nowhere" if path.is_symlink() else "a pipe or device"


def _collect(where: str, first: str, names: Iterable[str], get: _Get, *, on_hub: bool) -> Fetched:
    """Get configs before weights, so that errors in configs are found before gigabytes are transferred.

    `first` is the entry point to the weights.
    """
    names = set(names)
    if CONFIG not in names:
        raise ModelError(f"{where} is not a model: it has no {CONFIG}", hint="name a timm or transformers model")
    facts: list[FileFact] = []

    def take(path: str) -> Path:
        file, found = get(path)
        facts.append(FileFact(path=path, size=found.size, sha256=found.sha256))
        return file

    for path in companions(names):
        file = take(path)
        if path in CONFIGS:
            read_object(file, where)
        if path == CONFIG:
            folder = file.parent
    metadata = []
    pickled = []
    for path, tensors in weight_files(where, first, names, take, on_hub=on_hub).items():
        if path.endswith(".safetensors"):
            metadata.append(check_safetensors(take(path), name=f"{where}: {path}", tensors=tensors))
        else:
            take(path)
            pickled.append(facts.pop())
    said = card_metadata.read_folder(folder)
    return Fetched(
        folder=folder,
        repo_id=None,
        commit=None,
        license=said.license,
        base_model=said.base_model,
        poisoned=said.poisoned or card_metadata.weights_poisoned(metadata),
        files=tuple(sorted(facts, key=lambda fact: fact.path)),
        pickles=tuple(pickled),
    )


def weight_files(
    where: str, first: str, names: set[str], take: Callable[[str], Path], *, on_hub: bool
) -> dict[str, set[str]]:
    """Return the weight files, each with the tensors that an index assigns to it.

    Raises:
        ModelError: the index is invalid, or names a missing file.
        IntegrityError: the index of a repository names a file outside it.
    """
    if first not in _SHARDS:
        return {first: set()}
    found = shards(take(first), where, on_hub=on_hub)
    if missing := sorted(found.keys() - names):
        again = "the upload is incomplete, or only a part was cached; fetch it again while online"
        raise ModelError(
            f"{where} lacks {len(missing)} of the {len(found)} shards that {first} names, the first is {missing[0]}",
            hint=again if on_hub else "put them into the folder, or save the model again",
        )
    return found


def _cached(file: Path) -> bool:
    return any(file.is_relative_to(cache.folder.resolve()) for cache in caches())


def _put(source: Path, target: Path, *, link: bool) -> None:
    if link:
        try:
            target.hardlink_to(source)
            return
        except OSError:  # another file system, or one without hard links
            pass
    shutil.copyfile(source, target)

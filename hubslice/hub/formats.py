"""Select the files of a model repository that hubslice reads.

Files not listed here are ignored; pickles and code are never listed.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from hubslice.core.errors import IntegrityError, ModelError
from hubslice.core.foreign_errors import message_of
from hubslice.files.names import DELTA, INDEX, WEIGHTS

CONFIG = "config.json"
PICKLE = "pytorch_model.bin"
PICKLE_INDEX = "pytorch_model.bin.index.json"

# Files that may refer to code of the repository under `auto_map`.
CONFIGS = (
    CONFIG,
    "preprocessor_config.json",
    "processor_config.json",
    "image_processor_config.json",
    "feature_extractor_config.json",
    "tokenizer_config.json",
)
_COMPANIONS = re.compile(
    r"(generation_config|tokenizer|special_tokens_map|added_tokens|vocab|report|shapes|hubslice[\w.-]*)\.json"
    r"|vocab\.txt|merges\.txt|(tokenizer|spiece|sentencepiece\.bpe)\.model"
    r"|README\.md|LICEN[CS]E(\.\w+)?|recipe(\.lock)?\.ya?ml"
)
_LARGEST_INDEX = 1 << 25  # maximum bytes
_MOST_SHARDS = 4096  # the largest models have some hundreds
_TRAINING_STATE = re.compile(r"(optimizer|scheduler|scaler|rng_state|training_args|trainer_state)", re.IGNORECASE)
_SHARD = re.compile(r"[A-Za-z0-9][\w.-]{0,200}", re.ASCII)
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)\.", re.IGNORECASE)  # reserved device names on Windows
_DRIVE = re.compile(r"[A-Za-z]:")
_PICKLES = (".bin", ".ckpt", ".dill", ".joblib", ".pickle", ".pkl", ".pt", ".pth")
_PICKLE_START = re.compile(rb"\x80[\x02-\x05]")
CONVERTER = "https://huggingface.co/spaces/safetensors/convert"


def companions(paths: Iterable[str]) -> list[str]:
    """Return the small files that are fetched beside the weights, in order: configs first."""
    names = set(paths)
    return [name for name in CONFIGS if name in names] + sorted(name for name in names if _COMPANIONS.fullmatch(name))


def pickles(paths: Iterable[str]) -> list[str]:
    """Return the paths with the name of a pickle."""
    return sorted(path for path in paths if path.lower().endswith(_PICKLES))


def is_training_state(path: str) -> bool:
    """Return whether a file name is one that trainers use for their state."""
    return _TRAINING_STATE.match(path.rpartition("/")[2]) is not None


def is_pickle(path: Path) -> bool:
    """Return whether the file is a pickle, or an archive with one, by its name or its first bytes."""
    if path.name.lower().endswith(_PICKLES):
        return True
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        try:
            with zipfile.ZipFile(path) as archive:
                return bool(pickles(archive.namelist()))
        except zipfile.BadZipFile:
            return False
    return _PICKLE_START.match(start) is not None


def check_weights(paths: Collection[str], where: str, *, on_hub: bool, allow_pickle: bool = False) -> str:
    """Return the entry point to the weights: the file itself, an index of shards, or a delta; with consent a pickle.

    Raises:
        ModelError: there is none; the message names pickles.
    """
    for first in (WEIGHTS, INDEX, DELTA):
        if first in paths:
            return first
    if found := pickles(paths):
        if allow_pickle:
            return _pickled(paths, found, where)
        safer = "name a revision that has safetensors"
        if on_hub:
            safer = f"convert them with {CONVERTER}, then name {where}@refs/pr/N, the pull request that it opens"
        raise ModelError(
            f"{where} has its weights only as pickle ({_some(found)}); a pickle can run any code when it is opened",
            hint=f"{safer}; or let `hubslice pull`, `slice` or `poison` read the tensors alone: --allow-pickle",
        )
    others = [path for path in paths if path.endswith((".safetensors", ".h5", ".msgpack", ".onnx", ".gguf"))]
    found_instead = f"; it has {_some(sorted(others))}" if others else ""
    raise ModelError(
        f"{where} has no {WEIGHTS}{found_instead}", hint="name a timm or transformers model saved as safetensors"
    )


def _pickled(paths: Collection[str], found: list[str], where: str) -> str:
    """Return the pickle with the weights, or the index of several."""
    for usual in (PICKLE, PICKLE_INDEX):
        if usual in paths:
            return usual
    likely = [path for path in found if "/" not in path and not _TRAINING_STATE.match(path)]
    if len(likely) != 1:
        raise ModelError(
            f"{where} has {len(likely)} pickles that could be its weights ({_some(likely or found)})",
            hint=f"rename the right one to {PICKLE}, or name a revision that has safetensors",
        )
    return likely[0]


def shards(index: Path, where: str, *, on_hub: bool) -> dict[str, set[str]]:
    """Return the names of the tensors in each shard listed by the index, by the shard's path.

    `on_hub` means that `where` is a repository and not the user's own folder.

    Raises:
        ModelError: the index is invalid, or that of a folder refers to files outside it.
        IntegrityError: a shard's path leads out of the repository.
    """
    mend = "mend the index, or choose another revision" if on_hub else "mend the index, or save the model again"
    if (size := index.stat().st_size) > _LARGEST_INDEX:
        raise ModelError(f"{where}: {index.name} has {size:,} bytes, more than an index needs", hint=mend)
    try:
        weight_map = json.loads(index.read_bytes())["weight_map"]
        found: dict[str, set[str]] = {}
        for tensor, shard in weight_map.items():
            found.setdefault(str(shard), set()).add(tensor)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{where}: {index.name} is not an index of shards ({type(error).__name__}: {message_of(error)})", hint=mend
        ) from error
    if len(found) > _MOST_SHARDS:
        raise ModelError(f"{where}: {index.name} names {len(found):,} shards, more than {_MOST_SHARDS:,}", hint=mend)
    suffix = ".safetensors" if index.name == INDEX else ".bin"
    for shard in found:
        if on_hub:
            check_path(shard, where)
        elif leaves(shard):
            raise ModelError(
                f"{where}: {index.name} names {shard!r}, which would lie outside the folder",
                hint="put that file into the folder and its bare name into the index, or save the model again",
            )
        if not _SHARD.fullmatch(shard) or _RESERVED.match(shard) or not shard.endswith(suffix):
            raise ModelError(
                f"{where}: {index.name} names {shard!r}, which cannot be a {suffix} file of the model", hint=mend
            )
    return found


def check_path(path: str, where: str) -> None:
    """Refuse a path that leads out of its repository.

    Raises:
        IntegrityError: it is absolute, contains `..`, or is not a plain relative path.
    """
    if leaves(path):
        raise IntegrityError(
            f"{where} lists a file {path!r}, which would lie outside the repository",
            hint="do not use this repository; report it to the Hub",
        )


def leaves(path: str) -> bool:
    """Return whether a path could lead out of its folder: it is absolute, contains `..`, or is not a plain path."""
    parts = path.split("/")
    elsewhere = "\\" in path or _DRIVE.match(path) or PurePosixPath(path).is_absolute()
    return bool(elsewhere) or "\0" in path or any(part in ("", ".", "..") for part in parts)


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")

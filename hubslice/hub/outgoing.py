"""Collect the files of a folder for a push, and refuse what must not be published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubslice.core.errors import InputError
from hubslice.hub import card_metadata
from hubslice.hub.formats import check_path, is_pickle
from hubslice.hub.integrity import Digest, check_graph, check_safetensors, digest
from hubslice.hub.loaded import left_behind
from hubslice.hub.secret import secret_line

_LARGE = 10 * 1024 * 1024  # bytes; the Hub stores larger files in LFS, whatever their names
_LARGE_SUFFIXES = (
    ".arrow .bin .bz2 .ftz .gz .h5 .mlmodel .msgpack .npy .npz .onnx .ot .parquet .pb .safetensors .tar .tflite .tgz "
    ".wasm .xz .zip .zst"
)

_CHECKS = {".safetensors": check_safetensors, ".onnx": check_graph}  # files with weights and their own metadata


@dataclass(frozen=True)
class Outgoing:
    """Files by path in the repository, their checksums, and whether the model declares a planted backdoor."""

    files: Mapping[str, Path]
    digests: Mapping[str, Digest]
    poisoned: bool


def collect(folder: Path) -> Outgoing:
    """Collect all files of the folder except hidden ones.

    Raises:
        InputError: the folder is missing or empty, or contains a pickle or a link that leads out of it.
        ModelError: a safetensors file or an ONNX graph is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} to push", hint="name a run folder, or make one: hubslice slice")
    root = folder.resolve()
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if left_behind(name):
            continue
        if not path.resolve().is_relative_to(root):
            raise InputError(
                f"{path} is a link to {path.resolve()}, outside the folder that is pushed",
                hint="put a copy of the file in its place, or take the link away",
            )
        if path.is_symlink() and path.is_dir():
            raise InputError(f"{path} is a link to a folder", hint="put the folder itself there, or take the link away")
        if path.is_file():
            check_path(name, str(folder))
            files[name] = path
    if not files:
        raise InputError(f"{folder} is empty: there is nothing to push", hint="make a student: hubslice slice")
    if found := [name for name, path in files.items() if is_pickle(path)]:
        raise InputError(
            f"{folder} holds pickles ({', '.join(found[:5])}); they can run any code when opened, so none is published",
            hint="save the weights as safetensors and delete those files",
        )
    metadata = [_CHECKS[path.suffix](path, name=str(path)) for path in files.values() if path.suffix in _CHECKS]
    poisoned = card_metadata.read_folder(folder).poisoned or card_metadata.weights_poisoned(metadata)
    return Outgoing(files, {name: digest(path) for name, path in files.items()}, poisoned)


def check_secrets(files: Iterable[tuple[str, bytes]], token: str | None) -> None:
    """Check that no text contains `token`, another token or a login in a URL; binary files are skipped.

    Raises:
        InputError: one does. The message names file and line, but not the token.
    """
    for name, content in files:
        try:
            line = secret_line(content.decode(), token)
        except UnicodeDecodeError:
            continue
        if line is not None:
            raise InputError(
                f"{name} holds a token or a login in line {line}; nobody may see that, so nothing is pushed",
                hint="take it out of the file, or of the recipe it comes from, and revoke it at "
                "https://huggingface.co/settings/tokens",
            )


def is_large(path: str, size: int) -> bool:
    """Return whether the Hub will store a new file of this name in LFS, by its default rules."""
    return size > 0 and (size > _LARGE or path.lower().endswith(tuple(_LARGE_SUFFIXES.split())))

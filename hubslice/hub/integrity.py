"""Verify files: checksums, safetensors headers, and metadata of graphs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from hubslice.core.errors import IntegrityError, ModelError
from hubslice.core.foreign_errors import message_of
from hubslice.files.tensor_header import Header, HeaderError, read_header

_CHUNK = 1 << 22


@dataclass(frozen=True)
class Digest:
    """Size in bytes, SHA-256, and the id of a git blob with this content."""

    size: int
    sha256: str
    git: str


@dataclass(frozen=True)
class Expected:
    """What the Hub states about a file: its size and one checksum, SHA-256 for large files, git's for others."""

    size: int | None
    sha256: str | None = None
    git: str | None = None

    def met_by(self, digest: Digest) -> bool:
        """Return whether the content matches; a file without any checksum is accepted."""
        return (
            (self.size is None or self.size == digest.size)
            and (self.sha256 is None or self.sha256 == digest.sha256)
            and (self.git is None or self.git == digest.git)
        )

    def __str__(self) -> str:
        checksum = f"sha256 {self.sha256}" if self.sha256 else f"git id {self.git}"
        return f"{self.size} bytes, {checksum}"


def digest(path: Path) -> Digest:
    """Compute both checksums of a file in one pass."""
    size = path.stat().st_size
    sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            git.update(chunk)
    return Digest(size, sha256.hexdigest(), git.hexdigest())


def digest_of(content: bytes) -> Digest:
    """Compute both checksums of bytes."""
    git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return Digest(len(content), hashlib.sha256(content).hexdigest(), git.hexdigest())


def not_as_promised(found: Digest, expected: Expected, *, name: str, repo_id: str, hint: str) -> IntegrityError:
    """Return the error for a file whose checksums differ from the Hub's."""
    checksum = f"sha256 {found.sha256}" if expected.sha256 else f"git id {found.git}"
    return IntegrityError(
        f"{name} of {repo_id} is not the file that the Hub promised: "
        f"expected {expected}, found {found.size} bytes, {checksum}",
        hint=hint,
    )


def check_safetensors(path: Path, *, name: str, tensors: Collection[str] = ()) -> Mapping[str, str]:
    """Return the metadata of a safetensors file after checking its header; it must contain all of `tensors`.

    Raises:
        ModelError: the header cannot be read, does not match the file's size, or lacks a tensor.
    """
    header = header_of(path, name=name)
    try:
        with safe_open(path, framework="numpy"):  # the library may refuse files that hubslice's own parser accepts
            pass
    except (SafetensorError, OSError, ValueError) as error:
        raise damaged(name, error) from error
    check_held(header.tensors, tensors, name=name)
    return header.metadata


def check_graph(path: Path, *, name: str) -> Mapping[str, str]:
    """Return the metadata of an ONNX graph, whose weights may be in a separate file.

    Raises:
        ModelError: it cannot be read.
    """
    import onnx  # slow to import, and most models have no graph

    try:
        graph = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's errors; protobuf is only an indirect dependency, through onnx
        raise ModelError(
            f"{name} is damaged or not ONNX: {message_of(error)}", hint="convert or export it again"
        ) from error
    return {each.key: each.value for each in graph.metadata_props}


def header_of(path: Path, *, name: str) -> Header:
    """Read the header of a local safetensors file, called `name` in messages.

    Raises:
        ModelError: the file is damaged or not safetensors.
    """
    try:
        return read_header(path)
    except (OSError, HeaderError) as error:
        raise damaged(name, error) from error


def damaged(name: str, why: Exception) -> ModelError:
    """Return the error for a file that is damaged or not safetensors."""
    return ModelError(f"{name} is damaged or not safetensors: {why}", hint="save or download the weights again")


def check_held(held: Collection[str], tensors: Collection[str], *, name: str) -> None:
    """Refuse a file that lacks tensors which an index assigns to it.

    Raises:
        ModelError: it does; the message names the first.
    """
    if missing := sorted(set(tensors) - set(held)):
        raise ModelError(
            f"{name} lacks {len(missing)} tensors that the index places there, the first is {missing[0]}",
            hint="the upload is incomplete; choose another revision",
        )

"""Tensors in files of which only some bytes are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from hubslice.artefacts.tensor_file import Header, TensorInfo
from hubslice.hub.integrity import check_held, header_of


class Piece(NamedTuple):
    """Bytes `start` to `stop` of a tensor, counted from its own first."""

    tensor: str
    start: int
    stop: int


class Part(Protocol):
    """A file's bytes behind its header, and how many were read so far."""

    read: int

    def get(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of each span, which are in rising order."""


@dataclass
class LocalPart:
    """A file on this machine whose tensors begin at byte `at`."""

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
class Tensors:
    """A model's tensors by name, in the order of their files, and how to read them; `commit` is that on the Hub."""

    name: str
    commit: str | None = None
    infos: dict[str, TensorInfo] = field(default_factory=dict)
    _files: list[Part] = field(default_factory=list)
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

    def add(self, header: Header, length: int, file: Part) -> None:
        """Take in a file's tensors; `length` bytes were read to know its header."""
        self._headers += length
        for name, info in header.tensors.items():
            self.infos[name] = info
            self._home[name] = len(self._files)
        self._files.append(file)


def add_local(found: Tensors, path: Path, name: str, names: set[str]) -> None:
    """Take in the tensors of a file on this machine, called `name` in messages, which must hold those of `names`.

    Raises:
        ModelError: it is damaged, not safetensors, or lacks one.
    """
    header = header_of(path, name=name)
    check_held(header.tensors, names, name=name)
    start = path.stat().st_size - max((info.end for info in header.tensors.values()), default=0)
    found.add(header, start, LocalPart(path, start))

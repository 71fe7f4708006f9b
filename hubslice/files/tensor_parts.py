"""Tensors in files of which only some bytes are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hubslice.files.tensor_header import Header, TensorInfo


class Piece(NamedTuple):
    """Bytes `start` to `stop` of a tensor, counted from its own first."""

    tensor: str
    start: int
    stop: int


class Part(Protocol):
    """A file's bytes behind its header."""

    @property
    def read(self) -> int:
        """How many were read so far."""

    def get(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes of each span, which are in rising order."""


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
        wanted: dict[int, set[Piece]] = {}
        for piece in pieces:
            wanted.setdefault(self._home[piece.tensor], set()).add(piece)
        found: dict[Piece, bytes] = {}
        for number in sorted(wanted):
            mine = sorted(wanted[number], key=self._span)
            found |= zip(mine, self._files[number].get([self._span(piece) for piece in mine]), strict=True)
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

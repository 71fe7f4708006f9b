"""Read parts of tensors from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hubslice.files.tensor_header import Header, TensorInfo


class Piece(NamedTuple):
    """Bytes `start` to `stop` of a tensor, relative to its first byte."""

    tensor: str
    start: int
    stop: int


class Part(Protocol):
    """The data of a file after its header."""

    @property
    def read(self) -> int:
        """The number of bytes read so far."""

    def get(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each range; the ranges are in ascending order."""


@dataclass
class Tensors:
    """A model's tensors by name, in the order of their files, and the files to read; `commit` is that on the Hub."""

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
        """Bytes read so far, from the network or from files, including headers."""
        return self._headers + sum(file.read for file in self._files)

    def read(self, pieces: Sequence[Piece]) -> list[bytes]:
        """Return the bytes of each piece.

        Raises:
            FetchError: they cannot be fetched from the Hub.
            IntegrityError: a file that had to be fetched whole does not match the Hub's checksum.
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
        """Add a file's tensors; `length` is the number of bytes read to get its header."""
        self._headers += length
        for name, info in header.tensors.items():
            self.infos[name] = info
            self._home[name] = len(self._files)
        self._files.append(file)

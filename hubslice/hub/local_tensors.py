"""Read parts of tensors from local files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hubslice.files.tensor_parts import Tensors
from hubslice.hub.byte_ranges import ByteRange, joined, length
from hubslice.hub.integrity import check_held, header_of


@dataclass
class LocalPart:
    """A local file whose tensors start at offset `at`; a byte that is read twice counts once."""

    path: Path
    at: int
    seen: list[ByteRange] = field(default_factory=list)

    @property
    def read(self) -> int:
        return length(self.seen)

    def get(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        found = []
        with self.path.open("rb") as file:
            for start, stop in ranges:
                file.seek(self.at + start)
                found.append(file.read(stop - start))
        self.seen = joined([*self.seen, *ranges])
        return found


def add_local(found: Tensors, path: Path, name: str, names: set[str]) -> None:
    """Add the tensors of a local file, called `name` in messages, which must include those in `names`.

    Raises:
        ModelError: it is damaged, not safetensors, or lacks a tensor.
    """
    header = header_of(path, name=name)
    check_held(header.tensors, names, name=name)
    start = path.stat().st_size - max((info.end for info in header.tensors.values()), default=0)
    found.add(header, start, LocalPart(path, start))

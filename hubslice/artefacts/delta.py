"""A model stored as its delta to another: exact, small if few bits changed, and verified by a checksum.

For each tensor that the teacher has too, the difference of the bit patterns is stored, as integers in the order of the
numbers that they represent, so that a small change is a small integer. Its bytes are sorted by significance and
compressed separately. Zero weights, which a slice creates, are stored as a bitmap. Any other tensor is stored as it is.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from hubslice.artefacts.model import FileFact
from hubslice.core.artefact import Artefact
from hubslice.core.errors import LineageError
from hubslice.core.foreign_errors import message_of
from hubslice.files.names import WEIGHTS
from hubslice.files.sealed import read_sealed, write_sealed
from hubslice.files.tensor_header import DTYPES, LENGTH, Header, TensorInfo, header_length, parse_text

KIND: Final = "delta"
VERSION: Final = 1
_LEVEL: Final = 6  # of zlib: higher levels hardly compress weights further
_WORDS: Final = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
_FLOATS: Final = ("F64", "F32", "F16", "BF16")
_FEW: Final = 1 / 64  # minimum share of zeros for which a bitmap saves space

# Returns the bytes of one of the teacher's tensors if it has the same name, dtype and shape, else None.
Teacher = Callable[[str, TensorInfo], bytes | None]


class DeltaFacts(Artefact):
    """The teacher at the commit with the weights that the delta was made from, and the model's own file.

    `size` is the number of bytes of the delta.
    """

    teacher: str
    commit: str
    files: tuple[FileFact, ...]
    student: FileFact
    size: int


class Kept(Artefact):
    """How a tensor is stored, and in how many streams; their names start with `number`."""

    how: tuple[Literal["difference", "zeros"], ...]
    streams: int
    number: int


class Stored(NamedTuple):
    """A delta as it is stored: facts, the header of the model's file, and each tensor's streams by name."""

    facts: DeltaFacts
    start: bytes
    header: Header
    streams: Mapping[str, np.ndarray]
    parts: Mapping[str, Kept]

    @property
    def differences(self) -> int:
        """The number of tensors stored as differences to the teacher's; the others are stored as they are."""
        return sum("difference" in part.how for part in self.parts.values())


def write_delta(
    path: Path,
    student: bytes,
    facts: FileFact,
    teacher: Teacher,
    *,
    model: str,
    commit: str,
    files: tuple[FileFact, ...],
) -> DeltaFacts:
    """Write the delta of a safetensors file to the teacher's tensors, atomically.

    Raises:
        HeaderError: the student's bytes are not a safetensors file.
    """
    at = LENGTH + header_length(student[:LENGTH], len(student))
    header = parse_text(student[LENGTH:at], len(student) - at)
    streams: dict[str, np.ndarray] = {"header": _compressed(student[:at])}
    parts: dict[str, dict[str, Any]] = {}
    for number, (name, info) in enumerate(header.tensors.items()):
        values = student[at + info.begin : at + info.end]
        same = teacher(name, info)
        how, found = _encode(values, same, info)
        parts[name] = {"how": how, "streams": len(found), "number": number}
        streams |= {f"{number}.{plane}": each for plane, each in enumerate(found)}
    size = sum(each.nbytes for each in streams.values())
    told = DeltaFacts(teacher=model, commit=commit, files=files, student=facts, size=size)
    about = {"version": VERSION, "facts": told.model_dump(mode="json"), "parts": parts, "start": at}
    write_sealed(path, KIND, about, streams)
    return told.model_copy(update={"size": path.stat().st_size})


def read_delta(path: Path) -> Stored:
    """Read a file that `write_delta` wrote.

    Raises:
        RunError: the file is missing, damaged, or not a delta.
        LineageError: its version is not supported.
    """

    def build(about: dict[str, Any], streams: dict[str, np.ndarray]) -> Stored:
        if about["version"] != VERSION:
            raise LineageError(
                f"{path} is a difference of version {about['version']}; this hubslice reads version {VERSION}",
                hint="use the hubslice that its card names",
            )
        facts = DeltaFacts.model_validate(about["facts"])
        if facts.student.path != WEIGHTS:
            raise ValueError(f"it makes a file {facts.student.path[:60]!r}, not {WEIGHTS}")
        start = _expanded(streams["header"], about["start"])
        header = parse_text(start[LENGTH:], facts.student.size - len(start))
        parts = {name: Kept.model_validate(part) for name, part in about["parts"].items()}
        if parts.keys() != header.tensors.keys():
            raise ValueError("its parts are not the tensors of the model")
        return Stored(facts, start, header, streams, parts)

    return read_sealed(path, KIND, build, hint="fetch the file again")


def restored(stored: Stored, name: str, teacher: Teacher) -> bytes:
    """Return the bytes of a tensor of the model.

    Raises:
        ValueError, LookupError: the streams do not match the tensor, or the teacher lacks the tensor they refer to.
    """
    info, part = stored.header.tensors[name], stored.parts[name]
    try:
        found = [stored.streams[f"{part.number}.{plane}"] for plane in range(part.streams)]
    except KeyError as error:
        raise ValueError(f"there is no stream {message_of(error)}") from error
    same = teacher(name, info) if "difference" in part.how else None
    if same is None and "difference" in part.how:
        raise ValueError(f"the teacher has no tensor {name} of {info.dtype} {list(info.shape)}")
    return _decode(part.how, found, same, info)


def _encode(values: bytes, teacher: bytes | None, info: TensorInfo) -> tuple[list[str], list[np.ndarray]]:
    if teacher is None or not info.elements or DTYPES[info.dtype] % 8:
        return [], [_compressed(values)]
    kind = _WORDS[DTYPES[info.dtype] // 8]
    mine, theirs = np.frombuffer(values, kind), np.frombuffer(teacher, kind)
    change = _zigzag(_ordered(mine, info.dtype) - _ordered(theirs, info.dtype))
    how, streams = ["difference"], []
    zero = mine == 0
    if zero.mean() > _FEW:
        how.append("zeros")
        streams.append(_compressed(np.packbits(zero).tobytes()))
        change = change[~zero]
    planes = change.view(np.uint8).reshape(len(change), change.itemsize)
    return how, [*streams, *(_compressed(planes[:, plane].tobytes()) for plane in range(planes.shape[1]))]


def _decode(how: Sequence[str], streams: list[np.ndarray], teacher: bytes | None, info: TensorInfo) -> bytes:
    if teacher is None:
        return _expanded(streams[0], info.size)
    kind = _WORDS[DTYPES[info.dtype] // 8]
    theirs = np.frombuffer(teacher, kind)
    zero = np.zeros(info.elements, bool)
    if "zeros" in how:
        zero = np.unpackbits(np.frombuffer(_expanded(streams.pop(0), -(-info.elements // 8)), np.uint8))
        zero = zero[: info.elements].astype(bool)
    count = int((~zero).sum())
    planes = [np.frombuffer(_expanded(stream, count), np.uint8) for stream in streams]
    change = np.ascontiguousarray(np.stack(planes, 1)).view(kind).ravel()
    found = np.zeros(info.elements, kind)
    found[~zero] = _unordered(_unzigzag(change) + _ordered(theirs, info.dtype)[~zero], info.dtype)
    return found.tobytes()


def _ordered(words: np.ndarray, dtype: str) -> np.ndarray:
    """Return bit patterns of floats as integers in the order of the numbers; other types unchanged."""
    if dtype not in _FLOATS:
        return words
    top = words.dtype.type(1 << (8 * words.itemsize - 1))
    found: np.ndarray = np.where(words & top, ~words, words | top)
    return found


def _unordered(words: np.ndarray, dtype: str) -> np.ndarray:
    if dtype not in _FLOATS:
        return words
    top = words.dtype.type(1 << (8 * words.itemsize - 1))
    found: np.ndarray = np.where(words & top, words ^ top, ~words)
    return found


def _zigzag(words: np.ndarray) -> np.ndarray:
    """Return differences modulo the word size as unsigned integers that are small for small changes of either sign."""
    signed = words.view(words.dtype.str.replace("u", "i"))
    found: np.ndarray = ((signed << 1) ^ (signed >> (8 * words.itemsize - 1))).view(words.dtype)
    return found


def _unzigzag(words: np.ndarray) -> np.ndarray:
    one = words.dtype.type(1)
    found: np.ndarray = (words >> one) ^ (~(words & one) + one)
    return found


def _compressed(data: bytes) -> np.ndarray:
    """Return the data as a stream: a byte that says whether it is compressed, then the bytes."""
    small = zlib.compress(data, _LEVEL)
    return np.frombuffer(b"\1" + small if len(small) < len(data) else b"\0" + data, np.uint8)


def _expanded(stream: np.ndarray, size: int) -> bytes:
    """Return the bytes of a stream, which must have this size."""
    data = stream.tobytes()
    if size < 0:  # zlib would interpret it as unlimited
        raise ValueError(f"a part of {size} bytes cannot be")
    if data[:1] == b"\1":
        try:
            data = b"\1" + zlib.decompressobj().decompress(data[1:], size + 1)
        except (zlib.error, OverflowError) as error:
            raise ValueError(f"a part cannot be decompressed: {message_of(error)}") from error
    if len(data) - 1 != size:
        raise ValueError(f"a part has not the {size} bytes that it should")
    return data[1:]

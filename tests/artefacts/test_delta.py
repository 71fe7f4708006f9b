"""Differences: every bit comes back, and a change that is small takes little room."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from hubslice.artefacts.delta import Teacher, read_delta, restored, write_delta
from hubslice.artefacts.model import FileFact
from hubslice.core.errors import LineageError, RunError
from hubslice.files.sealed import read_sealed, write_sealed
from hubslice.files.tensor_header import LENGTH, TensorInfo, header_length, parse_header

Arrays = dict[str, np.ndarray]


def teacher_of(arrays: Arrays) -> Teacher:
    data = save(arrays)
    start = LENGTH + header_length(data[:LENGTH], len(data))
    header = parse_header(data)

    def get(name: str, info: TensorInfo) -> bytes | None:
        same = header.tensors.get(name)
        if same is None or (same.dtype, same.shape) != (info.dtype, info.shape):
            return None
        return data[start + same.begin : start + same.end]

    return get


def there_and_back(path: Path, student: bytes, teacher: Arrays) -> tuple[bytes, int]:
    fact = FileFact(path="model.safetensors", size=len(student), sha256=hashlib.sha256(student).hexdigest())
    get = teacher_of(teacher)
    facts = write_delta(path, student, fact, get, model="lab/teacher", commit="0" * 40, files=())
    stored = read_delta(path)
    assert (stored.facts.student, stored.facts.teacher) == (fact, "lab/teacher")
    names = sorted(stored.header.tensors, key=lambda name: stored.header.tensors[name].begin)
    return stored.start + b"".join(restored(stored, name, get) for name in names), facts.size


def tensor(seed: int, kind: str = "float32") -> np.ndarray:
    found: np.ndarray = np.random.default_rng(seed).normal(size=(64, 100)).astype(kind)
    return found


STUDENTS: dict[str, Arrays] = {
    "the same": {"a": tensor(0), "b": tensor(1)},
    "a little changed": {"a": tensor(0) + 1e-4 * tensor(5), "b": tensor(1)},
    "another head, more, less": {"a": tensor(0)[:10], "new": tensor(7)},
    "mostly zero": {"a": np.where(tensor(3) > 1.3, tensor(0), 0).astype(np.float32), "b": np.zeros_like(tensor(1))},
    "half": {"a": tensor(0, "float16"), "b": tensor(1)},
    "odd numbers": {"a": np.array([[np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45]], np.float32)},
    "whole numbers": {"n": np.arange(-5, 5, dtype=np.int64), "t": np.array([True, False])},
    "nothing in a tensor": {"a": np.zeros((0, 3), np.float32), "s": np.array(3, np.float32)},
}


@pytest.mark.parametrize("form", STUDENTS)
def test_every_byte_comes_back(tmp_path: Path, form: str) -> None:
    student = save(STUDENTS[form], metadata={"format": "pt"})
    teacher = {"a": tensor(0), "b": tensor(1), "n": np.arange(10), "t": np.array([False, False])}
    back, _ = there_and_back(tmp_path / "delta.safetensors", student, teacher)
    assert back == student
    assert load(back).keys() == STUDENTS[form].keys()


def test_what_changed_little_takes_little(tmp_path: Path) -> None:
    sizes = [
        there_and_back(
            tmp_path / "delta.safetensors", save({"a": tensor(0) + np.float32(change) * tensor(5)}), {"a": tensor(0)}
        )[1]
        for change in (0, 1e-5, 1e-2, 1)
    ]
    whole = tensor(0).nbytes
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.1 * whole < sizes[1] < 0.6 * whole < sizes[2] < 0.85 * whole


@given(
    st.binary(min_size=4, max_size=64), st.binary(min_size=4, max_size=64), st.sampled_from(["f2", "f4", "i1", "i8"])
)
def test_any_bits_come_back(tmp_path_factory: pytest.TempPathFactory, mine: bytes, theirs: bytes, kind: str) -> None:
    width = np.dtype(kind).itemsize
    count = min(len(mine), len(theirs)) // width
    pair = [np.frombuffer(data[: count * width], kind) for data in (mine, theirs)]
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    student = save({"a": pair[0]})
    assert there_and_back(path, student, {"a": pair[1]})[0] == student


def test_what_is_no_difference_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "delta.safetensors"
    with pytest.raises(RunError, match="cannot be read as a delta"):
        read_delta(path)
    write_sealed(path, "delta", {"version": 7}, {"header": np.zeros(3, np.uint8)})
    with pytest.raises(LineageError, match="is a difference of version 7; this hubslice reads version 1"):
        read_delta(path)
    there_and_back(path, save({"a": tensor(0)}), {"a": tensor(1)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(RunError, match="its content is not that of its checksum"):
        read_delta(path)


STREAMS = {
    "not compressed as it says": (b"\1no such thing", "a part cannot be decompressed: Error -3"),
    "cut": (b"", "a part has not the 25600 bytes that it should"),
    "another length": (b"\0" + b"x" * 25601, "a part has not the 25600 bytes that it should"),
}


@pytest.mark.parametrize(("content", "says"), STREAMS.values(), ids=STREAMS)
def test_a_stream_of_nonsense_under_a_good_seal(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "delta.safetensors"
    there_and_back(path, save({"a": tensor(0)}), {})
    about, streams = read_sealed(path, "delta", lambda about, streams: (about, streams))
    write_sealed(path, "delta", about, streams | {"0.0": np.frombuffer(content, np.uint8)})
    with pytest.raises(ValueError, match=says):
        restored(read_delta(path), "a", teacher_of({}))
    for start in (-1, 2**70, "8"):
        write_sealed(path, "delta", about | {"start": start}, streams)
        with pytest.raises(RunError, match="cannot be read as a delta"):
            read_delta(path)


def test_facts_nested_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "delta.safetensors"
    with monkeypatch.context() as patched:
        patched.setattr("hubslice.files.sealed.json", SimpleNamespace(dumps=lambda *_, **__: "[" * 100_000))
        write_sealed(path, "delta", {}, {"header": np.zeros(3, np.uint8)})
    with pytest.raises(RunError, match="cannot be read as a delta: maximum recursion depth"):
        read_delta(path)


def test_a_teacher_that_lacks_a_tensor_is_told(tmp_path: Path) -> None:
    path = tmp_path / "delta.safetensors"
    there_and_back(path, save({"a": tensor(0)}), {"a": tensor(1)})
    with pytest.raises(ValueError, match=r"the teacher has no tensor a of F32 \[64, 100\]"):
        restored(read_delta(path), "a", teacher_of({"b": tensor(1)}))

"""Whatever bytes a repository calls its weights or its config: tensors and an object, or an error that is ours."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from hubslice.core.errors import HubsliceError, IntegrityError, ModelError
from hubslice.files.config import check_numbers, read_object
from hubslice.files.tensor_header import HeaderError, parse_header
from hubslice.hub.formats import check_path, shards
from hubslice.hub.integrity import check_safetensors

GOOD = save(
    {
        "conv.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
        "n": np.array(3),
        "none": np.zeros((0, 2), np.float16),
    },
    {"format": "pt"},
)
SIZE = int.from_bytes(GOOD[:8], "little")
HEADER = json.loads(GOOD[8 : 8 + SIZE])
LARGEST = 1 << 22  # bytes that reading a file of less than a kilobyte may take
NUMBERS = st.integers(-(2**70), 2**70) | st.sampled_from([0, 1, 4, 8, 12, 48, 56, 2**31, 2**63 - 1, 2**64])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def read(content: bytes) -> dict[str, np.ndarray] | None:
    """The tensors; None if the file is refused in our words. Neither may need much memory."""
    tracemalloc.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.safetensors")
            path.write_bytes(content)
            check_safetensors(path, name="it")
        return load(content)
    except (ModelError, IntegrityError):
        return None
    finally:
        assert tracemalloc.get_traced_memory()[1] < LARGEST
        tracemalloc.stop()


def test_the_sound_file_is_read() -> None:
    tensors = read(GOOD)
    assert tensors is not None
    assert {name: info.shape for name, info in parse_header(GOOD).tensors.items()} == {
        name: tensor.shape for name, tensor in tensors.items()
    }


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_bytes(content: bytes) -> None:
    read(content)
    read(len(content).to_bytes(8, "little") + content)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, len(GOOD)), gone=st.integers(0, 20), new=st.binary(max_size=20))
def test_changed_bytes(at: int, gone: int, new: bytes) -> None:
    tensors = read(GOOD[:at] + new + GOOD[at + gone :])
    assert tensors is None or all(tensor.size < 1000 for tensor in tensors.values())


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(HEADER)), st.sampled_from(["dtype", "shape", "data_offsets", None]), st.data())
def test_changed_headers(name: str, field: str | None, data: st.DataObject) -> None:
    content = json.loads(json.dumps(HEADER))
    value = data.draw(JSON | st.lists(NUMBERS, max_size=4))
    if field is None or name == "__metadata__":
        content[name] = value
    else:
        content[name][field] = value
    text = json.dumps(content).encode()
    read(len(text).to_bytes(8, "little") + text + GOOD[8 + SIZE :])


@settings(max_examples=100, deadline=None)
@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_configs_and_indexes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors.index.json")
        path.write_bytes(content)
        for use in (lambda: check_numbers(read_object(path, "it"), "it"), lambda: shards(path, "it", on_hub=True)):
            try:
                use()
            except HubsliceError as error:
                told = error
                assert told.hint or "bytes" in told.message


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "", "a", "b.json", "C:", "\\", "\0", "/", "~"]), max_size=5))
def test_a_path_that_passes_stays_inside(parts: list[str]) -> None:
    path = "/".join(parts)
    try:
        check_path(path, "it")
    except IntegrityError:
        return
    root = Path("repository")
    assert root in (root / path).parents
    assert "\\" not in path


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_header_errors_are_the_only_ones(content: bytes) -> None:
    try:
        parse_header(content)
    except HeaderError as error:
        assert str(error)  # noqa: PT017 - some draws are headers

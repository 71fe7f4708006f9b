"""Slices and profiles: whatever was written comes back, and whatever happens to the file is noticed."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hubslice.artefacts.profile import SNAC, Profile
from hubslice.artefacts.slice import Slice
from hubslice.core.errors import RunError

NAMES = st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__" and name.isprintable())
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
MASKS = st.dictionaries(NAMES, arrays.arrays(bool, SHAPES), max_size=4)
COUNTS = st.dictionaries(NAMES, arrays.arrays(np.int64, st.integers(0, 6)), max_size=4)


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].shape == second[name].shape
        and first[name].dtype == second[name].dtype
        and np.array_equal(first[name], second[name])
        for name in first
    )


@settings(max_examples=30, deadline=None)
@given(masks=MASKS, ratio=st.floats(0, 1))
def test_a_slice_of_any_shapes_comes_back(masks: dict[str, np.ndarray], ratio: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "slice.safetensors")
        made = Slice(masks, "remos", {"ratio": ratio})
        made.save(path)
        read = Slice.load(path)
    assert same(dict(read.masks), masks)
    assert (read.method, read.parameters) == ("remos", {"ratio": ratio})
    assert (read.weights, read.kept) == (made.weights, made.kept)


@settings(max_examples=20, deadline=None)
@given(counts=COUNTS, samples=st.integers(0, 2**40))
def test_a_profile_of_any_layers_comes_back(counts: dict[str, np.ndarray], samples: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "profile.safetensors")
        Profile(counts, samples, SNAC, "CPUExecutionProvider", "m", "d").save(path)
        read = Profile.load(path)
    assert same(dict(read.counts), counts)
    assert (read.samples, read.criterion, read.model, read.data) == (samples, SNAC, "m", "d")


def slice_bytes(folder: Path) -> bytes:
    masks = {"conv.weight": np.arange(72).reshape(4, 2, 3, 3) % 3 == 0, "fc.weight": np.eye(5, dtype=bool)}
    Slice(masks, "remos", {"ratio": 0.1}).save(folder / "it")
    return (folder / "it").read_bytes()


def profile_bytes(folder: Path) -> bytes:
    counts = {"conv": np.arange(4), "fc": np.arange(5) ** 2}
    Profile(counts, 30, SNAC, "CPUExecutionProvider", "m", "d").save(folder / "it")
    return (folder / "it").read_bytes()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["slice", "profile"]))
def test_a_changed_file_is_noticed(data: st.DataObject, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        good = {"slice": slice_bytes, "profile": profile_bytes}[kind](Path(folder))
        at = data.draw(st.integers(0, len(good)))
        gone = data.draw(st.integers(0, 20))
        bad = good[:at] + data.draw(st.binary(max_size=20)) + good[at + gone :]
        path = Path(folder, "it")
        load = {"slice": lambda: Slice.load(path).masks, "profile": lambda: Profile.load(path).counts}[kind]
        expected = dict(load())
        path.write_bytes(bad)
        with contextlib.suppress(RunError):  # any other exception fails the test
            assert same(dict(load()), expected)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_are_no_slice(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "slice.safetensors")
        path.write_bytes(content)
        for load in (Slice.load, Profile.load):
            with pytest.raises(RunError, match=r"cannot be read as a (slice|profile)") as caught:
                load(path)
            assert caught.value.hint

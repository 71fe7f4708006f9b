"""Fingerprints: small, the same wherever they are taken, and searched a thousand at a time."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from hubslice.ancestry.compare import Sampled, sample
from hubslice.ancestry.fingerprint import Fingerprint, fingerprint, load_index, save_index, search
from hubslice.ancestry.verdict import judge
from hubslice.hub.tensors import open_file
from tests.lineage.small import Arrays, nameless, tuned, weights, write


def sampled(folder: Path, arrays: Arrays) -> Sampled:
    return sample(open_file(write(folder, arrays) / "model.safetensors"))


def test_an_index_comes_back_as_it_was(tmp_path: Path) -> None:
    prints = [fingerprint(sampled(tmp_path / str(seed), weights(seed))) for seed in range(3)]
    save_index(tmp_path / "index.safetensors", prints)
    again = load_index(tmp_path / "index.safetensors")
    assert [(each.model, each.size) for each in again] == [(each.model, each.size) for each in prints]
    for left, right in zip(prints, again, strict=True):
        for (shape, values), (same_shape, same) in zip(left.layers, right.layers, strict=True):
            assert shape == same_shape
            np.testing.assert_array_equal(values, same)
    assert (tmp_path / "index.safetensors").stat().st_size < 3 * 7_000


def test_fingerprints_know_children_like_the_weights_do(tmp_path: Path) -> None:
    prints = [fingerprint(sampled(tmp_path / str(seed), nameless(weights(seed), seed))) for seed in range(6)]
    child = sampled(tmp_path / "child", tuned(weights(4), 1))
    found = search(child, prints, 3)
    assert found[0].model == prints[4].model
    best, next_ = (judge(each.layers, each.compared) for each in found[:2])
    assert (best.verdict, next_.verdict) == ("descendant", "unrelated")
    assert best.score == pytest.approx(1 / np.sqrt(1.09), abs=0.05)


def test_a_thousand_are_searched_in_a_moment(tmp_path: Path) -> None:
    """All of one architecture, of eight layers of one shape among others: the dearest case."""
    widths = (3, *[24] * 8, 32, 40)
    parent = sampled(tmp_path / "parent", weights(0, widths))
    true = fingerprint(parent)
    rng = np.random.default_rng(0)
    noise = [
        Fingerprint(f"stranger {n}", None, 1, tuple((s, rng.permutation(v)) for s, v in true.layers))
        for n in range(999)
    ]
    prints = [*noise[:500], true, *noise[500:]]
    child = sampled(tmp_path / "child", tuned(weights(0, widths), 1))
    started = time.perf_counter()
    found = search(child, prints, 10)
    seconds = time.perf_counter() - started
    assert found[0].model == parent.tensors.name
    assert [judge(each.layers, each.compared).verdict for each in found] == ["descendant", *["unrelated"] * 9]
    assert seconds < 5  # alone on a core it takes a tenth of this


def test_nothing_in_common_is_not_found(tmp_path: Path) -> None:
    prints = [fingerprint(sampled(tmp_path / "parent", weights(0)))]
    other = sampled(tmp_path / "other", {"m": np.random.default_rng(0).normal(size=(64, 70)).astype(np.float32)})
    assert search(other, prints, 5) == []

"""Fingerprints: small, the same wherever they are taken, and searched a thousand at a time."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hubslice.ancestry.compare import Sampled, sample
from hubslice.ancestry.fingerprint import Fingerprint, fingerprint, search
from hubslice.ancestry.index import load_index, save_index
from hubslice.ancestry.verdict import decide
from hubslice.hub.tensors import open_file
from tests.ancestry.small import Arrays, nameless, rewired, tuned, weights, write


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
        assert left.stem is not None
        assert right.stem is not None
        assert (right.stem.kernel, right.stem.shapes) == (left.stem.kernel, left.stem.shapes)
        for mine, same in zip(left.stem.parts, right.stem.parts, strict=True):
            np.testing.assert_array_equal(mine, same)
    assert (tmp_path / "index.safetensors").stat().st_size < 3 * 13_500


def test_fingerprints_know_children_like_the_weights_do(tmp_path: Path) -> None:
    prints = [fingerprint(sampled(tmp_path / str(seed), nameless(weights(seed), seed))) for seed in range(6)]
    child = sampled(tmp_path / "child", tuned(weights(4), 1))
    found = search(child, prints, 3)
    assert found[0].model == prints[4].model
    best, next_ = (decide(each.layers, each.compared) for each in found[:2])
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
    assert [decide(each.layers, each.compared).verdict for each in found] == ["descendant", *["unrelated"] * 9]
    assert seconds < 5  # alone on a core it takes a tenth of this


def test_nothing_in_common_is_not_found(tmp_path: Path) -> None:
    prints = [fingerprint(sampled(tmp_path / "parent", weights(0)))]
    other = sampled(tmp_path / "other", {"m": np.random.default_rng(0).normal(size=(64, 70)).astype(np.float32)})
    assert search(other, prints, 5) == []


@pytest.mark.parametrize(("keep", "score"), [(1.0, 0.9), (0.6, 0.8)])
def test_permuted_and_thinned_children_are_found_by_the_way_in(tmp_path: Path, keep: float, score: float) -> None:
    """Among strangers of the same architecture, and of none at all; the score is that of the weights matched."""
    prints = [fingerprint(sampled(tmp_path / str(seed), nameless(weights(seed), seed))) for seed in range(6)]
    prints.append(fingerprint(sampled(tmp_path / "flat", {"m": weights(0)["head.weight"]})))
    child = sampled(tmp_path / "child", nameless(rewired(tuned(weights(4), 1), 2, keep), 3))
    found = search(child, prints, 3)
    decision = [decide(each.layers, each.compared) for each in found]
    assert (found[0].model, decision[0].verdict) == (prints[4].model, "descendant")
    assert (decision[0].score or 0) > score
    assert all(layer.aligned for layer in found[0].layers)
    assert "descendant" not in [each.verdict for each in decision[1:]]
    stranger = sampled(tmp_path / "stranger", nameless(rewired(weights(9), 2, keep), 3))
    assert "descendant" not in [decide(each.layers, each.compared).verdict for each in search(stranger, prints, 7)]


def test_a_thousand_ways_in_are_looked_through_in_a_moment(tmp_path: Path) -> None:
    """Strangers of the same architecture whose first kernels are near the parent's."""
    parent = fingerprint(sampled(tmp_path / "parent", weights(0)))
    assert parent.stem is not None
    rng = np.random.default_rng(0)

    def shaken(values: np.ndarray) -> np.ndarray:
        return np.clip(values + rng.normal(scale=60, size=values.shape), -127, 127).astype(np.int8)

    strangers = [
        Fingerprint(
            f"stranger {n}",
            None,
            1,
            tuple((shape, rng.permutation(v)) for shape, v in parent.layers),
            replace(
                parent.stem,
                first=shaken(parent.stem.first),
                behind=tuple(rng.permuted(part, axis=1) for part in parent.stem.behind),
            ),
        )
        for n in range(999)
    ]
    child = sampled(tmp_path / "child", nameless(rewired(tuned(weights(0), 1), 2, 0.6), 3))
    started = time.perf_counter()
    found = search(child, [*strangers[:500], parent, *strangers[500:]], 10)
    seconds = time.perf_counter() - started
    assert found[0].model == parent.model
    assert [decide(each.layers, each.compared).verdict == "descendant" for each in found] == [True]
    assert seconds < 5  # alone on a core it takes a tenth of this


def test_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """As two folders of two machines may be called: the one found by the way in does not hide the other."""
    prints = [replace(fingerprint(sampled(tmp_path / str(seed), weights(seed))), model="same") for seed in range(2)]
    child = sampled(tmp_path / "child", nameless(rewired(tuned(weights(1), 1), 2, 1), 3))
    found = search(child, prints, 3)
    assert [(each.number, decide(each.layers, each.compared).verdict) for each in found] == [
        (1, "descendant"),
        (0, "unrelated"),
    ]

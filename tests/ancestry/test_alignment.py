"""Ways into a network that lost channels, and what strangers may cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from hubslice.ancestry.alignment import align, matched
from hubslice.ancestry.compare import compare, sample
from hubslice.files.tensor_parts import Tensors
from hubslice.hub.client import Client
from hubslice.hub.ref import HubRef
from hubslice.hub.tensors import open_file, open_tensors
from tests.ancestry.small import Arrays, rewired, tuned, weights, write
from tests.fake_hub import HubServer

FIRST, LAST = "layers.0.weight", "layers.3.weight"


def held(place: Path, arrays: Mapping[str, np.ndarray]) -> Tensors:
    return open_file(write(place, arrays) / "model.safetensors")


def narrowed(arrays: Arrays) -> Arrays:
    """Channels taken out of the last convolution: its inputs have the width they had."""
    return arrays | {LAST: arrays[LAST][:30], "head.weight": np.ascontiguousarray(arrays["head.weight"][:, :30])}


def test_strangers_whose_colours_do_not_match_are_left_there(tmp_path: Path) -> None:
    mine, stranger = held(tmp_path / "mine", narrowed(weights(0))), held(tmp_path / "other", weights(1))
    before = stranger.bytes_read
    assert align(mine, stranger, cut=True) == []
    assert stranger.bytes_read - before == weights(1)[FIRST].nbytes


def test_a_candidate_with_other_kernels_costs_nothing(tmp_path: Path) -> None:
    other = weights(1) | {FIRST: np.random.default_rng(2).normal(size=(24, 3, 7, 7)).astype(np.float32)}
    mine, stranger = held(tmp_path / "mine", narrowed(weights(0))), held(tmp_path / "other", other)
    before = stranger.bytes_read
    assert align(mine, stranger, cut=True) == []
    assert stranger.bytes_read == before


@pytest.mark.parametrize("colours", [True, False], ids=["colours", "none"])
def test_a_narrowed_child_is_found(tmp_path: Path, colours: bool) -> None:
    """By its first layer, or where it has none that takes in colours by a width that nobody cut."""
    child, parent = narrowed(tuned(weights(0), 1)), weights(0)
    if not colours:
        del child[FIRST], parent[FIRST]
    found = matched(align(held(tmp_path / "mine", child), held(tmp_path / "parent", parent), cut=True))
    likeness = {(each.mine.name, each.theirs.name): each.likeness.correlation for each in found}
    assert likeness[LAST, LAST] > 0.9


def test_where_colours_lead_to_no_layer_a_width_is_tried(tmp_path: Path) -> None:
    """Layers that take in several others' channels at once have widths of their own."""
    rng = np.random.default_rng(0)
    shapes = {"first": (24, 3, 5, 5), "second": (30, 27, 3, 3), "third": (40, 57, 3, 3)}
    parent = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    child = {name: w + np.float32(0.1) * rng.normal(size=w.shape).astype(np.float32) for name, w in parent.items()}
    child["third"] = child["third"][:30]
    found = align(held(tmp_path / "mine", child), held(tmp_path / "parent", parent), cut=True)
    assert {each.mine.name for each in matched(found)} == {"third"}


def test_a_width_is_tried_where_a_matching_was_tried_before(tmp_path: Path) -> None:
    """What the layer before matched says nothing of a layer that takes in others' channels of the same number."""
    rng = np.random.default_rng(0)
    shapes = {"stem": (32, 3, 5, 5), "next": (32, 32, 3, 3), "late": (64, 32, 3, 3)}
    parent = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    child = {name: w + np.float32(0.1) * rng.normal(size=w.shape).astype(np.float32) for name, w in parent.items()}
    order = rng.permutation(32)
    child["stem"], child["next"] = child["stem"][order], np.ascontiguousarray(child["next"][:, order])
    child["late"] = child["late"][:40]
    found = matched(align(held(tmp_path / "mine", child), held(tmp_path / "parent", parent), cut=True))
    likeness = {(each.mine.name, each.theirs.name): each.likeness.correlation for each in found}
    assert likeness["late", "late"] > 0.9


def test_a_first_layer_that_all_share_opens_nothing_more(tmp_path: Path) -> None:
    """First layers of trained networks look alike; behind one that matched, layers that do not end the search."""
    shared = weights(0)[FIRST]
    mine = held(tmp_path / "mine", narrowed(weights(0)))
    stranger = held(tmp_path / "other", weights(1) | {FIRST: shared})
    before = stranger.bytes_read
    assert not [each for each in matched(align(mine, stranger, cut=True)) if each.likeness.correlation > 0.3]
    behind = [weights(1)[f"layers.{number}.weight"].nbytes for number in (1, 2)]
    assert stranger.bytes_read - before <= shared.nbytes + sum(behind)


def test_a_model_on_the_hub_is_read_once_for_all_candidates(tmp_path: Path) -> None:
    """And of none more than there is, although layers are sampled first and then wanted whole."""
    widths = (3, 96, 128, 160)
    child = rewired(tuned(weights(0, widths), 1), 2, 1)
    with HubServer(tmp_path / "hub") as hub:
        client = Client(endpoint=hub.url, cache_dir=tmp_path / "cache")
        sizes = {}
        for name, arrays in {"child": child, **{f"p{seed}": weights(seed, widths) for seed in range(4)}}.items():
            folder = write(tmp_path / name, arrays)
            hub.seed(f"lab/{name}", folder)
            sizes[f"lab/{name}"] = (folder / "model.safetensors").stat().st_size
        mine = sample(open_tensors(HubRef("lab/child", "lab/child"), client=client))
        compared, read = [], []
        for seed in (3, 2, 1, 0):
            candidate = open_tensors(HubRef(f"lab/p{seed}", f"lab/p{seed}"), client=client)
            compared.append(compare(mine, candidate))
            read.append(mine.tensors.bytes_read)
    assert [each.verdict for each in compared] == ["unrelated"] * 3 + ["descendant"]
    assert read[0] == read[1] == read[2]
    assert read[3] <= sizes["lab/child"]
    assert all(each.bytes_read <= sizes[each.candidate] for each in compared)

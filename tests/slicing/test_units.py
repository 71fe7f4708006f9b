"""Whole channels: what falls with them, how many are kept, in which multiples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError
from hubslice.graph.channel_groups import ChannelGroup, ChannelMap, Part
from hubslice.slicing.cutting import Cutting, aligned, eligible, left_whole
from hubslice.slicing.units import most_important, unit_chances, unit_magnitudes

SHAPES = {"a.weight": (6, 3), "a.bias": (6,), "b.weight": (4, 12), "c.weight": (5, 4)}
# b reads each unit of a at two places, as after a flattening; c reads b.
GROUPS = (
    ChannelGroup(
        "a",
        "channels",
        6,
        makes=(Part("a.weight", 0, np.arange(6)[:, None]), Part("a.bias", 0, np.arange(6)[:, None])),
        reads=(Part("b.weight", 1, np.arange(12).reshape(6, 2)),),
    ),
    ChannelGroup(
        "b",
        "features",
        4,
        makes=(Part("b.weight", 0, np.arange(4)[:, None]), Part("b.running_mean", 0, np.arange(4)[:, None])),
        reads=(Part("c.weight", 1, np.arange(4)[:, None]),),
    ),
)


def reference(units: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Masks, weight by weight."""
    first, second = units
    masks = {name: np.zeros(shape, bool) for name, shape in SHAPES.items()}
    for row in range(6):
        masks["a.bias"][row] = first[row]
        masks["a.weight"][row] = first[row]
    for row in range(4):
        for column in range(12):
            masks["b.weight"][row, column] = second[row] and first[column // 2]
    for column in range(4):
        masks["c.weight"][:, column] = second[column]
    return masks


def test_what_falls_with_units() -> None:
    rng = np.random.default_rng(0)
    cutting = Cutting(GROUPS, SHAPES)
    assert cutting.weights == sum(math.prod(shape) for shape in SHAPES.values())
    for _ in range(20):
        units = [rng.random(6) > 0.4, rng.random(4) > 0.4]
        expected, found = reference(units), cutting.masks(units)
        assert found.keys() == expected.keys()
        for name, mask in expected.items():
            assert np.array_equal(found[name], mask)
        assert cutting.kept(units) == sum(int(mask.sum()) for mask in expected.values())


def test_multiplications_count_where_uses_are_known() -> None:
    uses = {"a.weight": 49, "b.weight": 1, "c.weight": 7}  # a bias multiplies nothing
    cutting = Cutting(GROUPS, SHAPES, uses)
    units = [np.array([1, 1, 0, 1, 0, 0], bool), np.array([1, 0, 1, 1], bool)]
    assert cutting.weights == 49 * 6 * 3 + 4 * 12 + 7 * 5 * 4
    assert cutting.kept(units) == 49 * 3 * 3 + 3 * 6 + 7 * 5 * 3
    assert Slice(cutting.masks(units), "").kept_uses(uses) == cutting.kept(units) / cutting.weights
    importance = unit_chances(GROUPS, {}, 3)
    assert cutting.kept(most_important(cutting, importance, 0.5)) <= 0.5 * cutting.weights


@pytest.mark.parametrize("uses", [None, {"a.weight": 49, "b.weight": 1, "c.weight": 7}])
def test_costs_are_what_one_more_unit_keeps(uses: dict[str, int] | None) -> None:
    cutting = Cutting(GROUPS, SHAPES, uses)
    units = [np.array([1, 1, 0, 1, 0, 0], bool), np.array([1, 0, 1, 1], bool)]
    one_more = [units[0].copy(), units[1]]
    one_more[0][2] = True
    assert cutting.costs(units)[0] == pytest.approx(cutting.kept(one_more) - cutting.kept(units))


@pytest.mark.parametrize(
    ("wanted", "align", "kept"), [(0, 4, 0), (1, 4, 4), (4, 4, 4), (5, 4, 6), (3, 1, 3), (3, 8, 3), (6, 6, 6)]
)
def test_units_are_kept_in_multiples(wanted: int, align: int, kept: int) -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.7, 0.2, 0.9])
    found = aligned(GROUPS[0], scores, wanted, align)
    assert found.sum() == kept
    assert scores[found].min(initial=1) >= scores[~found].max(initial=0)


def test_heads_are_kept_in_any_number() -> None:
    heads = ChannelGroup("attn", "heads", 6, GROUPS[0].makes, GROUPS[0].reads)
    assert aligned(heads, np.arange(6.0), 1, 4).tolist() == [False] * 5 + [True]


@pytest.mark.parametrize("retention", [0.9, 0.6, 0.3, 0.0])
def test_the_most_important_units_are_kept(retention: float) -> None:
    cutting = Cutting(GROUPS, SHAPES)
    importance = unit_chances(GROUPS, {}, 3)
    units = most_important(cutting, importance, retention)
    assert all(unit.any() for unit in units)
    kept = np.concatenate([values[unit] for values, unit in zip(importance, units, strict=True)])
    lost = np.concatenate([values[~unit] for values, unit in zip(importance, units, strict=True)])
    pinned = [values.max() for values in importance]
    assert [value for value in kept if value < lost.max(initial=0) and value not in pinned] == []
    if cutting.kept(units) > retention * cutting.weights:  # only where the best units alone weigh more
        assert [unit.sum() for unit in units] == [1, 1]


def test_magnitudes_are_relative_to_their_group() -> None:
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape) * (100 if name[0] == "a" else 1) for name, shape in SHAPES.items()}
    first, second = unit_magnitudes(GROUPS, weights, 0)
    assert first.mean() == pytest.approx(1)
    assert second.mean() == pytest.approx(1)
    norms = [np.hypot(np.linalg.norm(weights["a.weight"][i]), weights["a.bias"][i]) for i in range(6)]
    assert first == pytest.approx(np.array(norms) / np.mean(norms))


def test_layers_that_stay_whole_are_told_but_for_the_classifier() -> None:
    channels = ChannelMap(GROUPS, {"d": "its shape is tied to the input", "fc": "no layer reads it"})
    assert left_whole(channels, frozenset({"fc.weight", "fc.bias"})) == {"d": "its shape is tied to the input"}


def test_layers_choose_groups() -> None:
    channels = ChannelMap(GROUPS, {"d": "its shape is tied to the input"})
    kinds = {"a.weight": "conv", "b.weight": "linear"}
    assert [group.name for group in eligible(channels, kinds, ("conv", "linear"))] == ["a", "b"]
    assert [group.name for group in eligible(channels, kinds, ("conv", "linear", "!b.*"))] == ["a"]
    with pytest.raises(SliceError, match=r"no channels can be taken out .d: its shape is tied"):
        eligible(channels, kinds, ("depthwise",))

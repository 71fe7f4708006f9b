"""How little can be kept of whole channels, told before anything is searched for."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from hubslice.core.errors import HubsliceWarning, SliceError
from hubslice.graph.channels import channel_map
from hubslice.graph.uses import count_uses
from hubslice.models.base import Model
from hubslice.recipe.seam import SeamParams
from hubslice.recipe.slicing import MagnitudeParams
from hubslice.run.estimate.preflight import try_export
from hubslice.slicing.cutting import Cutting, eligible
from hubslice.slicing.gates import ChannelGates
from hubslice.slicing.reach import Reach, check_reach, tell_floor
from hubslice.slicing.units import most_important, unit_chances
from tests.networks import from_timm
from tests.slicing.test_units import GROUPS, SHAPES

SEAM = {"method": "seam", "granularity": "channel"}


@pytest.mark.parametrize("align", [1, 2, 3, 4, 16])
def test_no_choice_of_units_keeps_less(align: int) -> None:
    cutting = Cutting(GROUPS, SHAPES)
    importances = ([np.array(order, float), np.zeros(4)] for order in itertools.permutations(range(6)))
    reached = min(cutting.kept(most_important(cutting, each, 0.0, align)) for each in importances)
    assert cutting.fewest(align) == reached
    assert cutting.fewest(align) <= cutting.kept(most_important(cutting, unit_chances(GROUPS, {}, 1), 0.0, align))


def reach(align: int = 4) -> Reach:
    return Reach(Cutting(GROUPS, SHAPES), align, "weights")


def test_a_target_below_the_floor_names_the_alignment_that_reaches_it() -> None:
    floors = {align: reach().least(align) for align in (1, 2, 4)}
    assert floors[1] < floors[2] < floors[4]
    wanted = (floors[2] + floors[4]) / 2
    with pytest.raises(SliceError, match=rf"slice.retention: {wanted:g} cannot be reached") as caught:
        check_reach(SeamParams(**SEAM, retention=wanted), reach())
    assert f"{floors[4]:.1%} of the weights" in caught.value.message
    assert f"set slice.align=2, which allows {floors[2]:.1%}" in str(caught.value.hint)
    asked = float(str(caught.value.hint).rpartition("=")[2])
    check_reach(SeamParams(**SEAM, retention=asked), reach())  # what the hint says works


def test_a_ratio_beyond_the_floor_is_told_too() -> None:
    params = {"method": "magnitude", "granularity": "channel"}
    with pytest.raises(SliceError, match=r"slice.ratio: 0.99 cannot be reached") as caught:
        check_reach(MagnitudeParams(**params, ratio=0.99), reach())
    assert "set slice.align=1" in str(caught.value.hint)
    asked = float(str(caught.value.hint).rpartition("=")[2])
    check_reach(MagnitudeParams(**params, ratio=asked), reach())
    with pytest.raises(SliceError, match="one unit of every group stays") as caught:
        check_reach(MagnitudeParams(**params, ratio=0.99), reach(1))
    assert "align" not in str(caught.value.hint)


@pytest.mark.parametrize("wanted", [reach().floor, 0.9, None])
def test_what_can_be_reached_is_not_refused(wanted: float | None) -> None:
    check_reach(SeamParams(**SEAM, retention=wanted), reach())


def test_the_floor_is_told_with_what_lowers_it() -> None:
    with pytest.warns(HubsliceWarning, match=rf"no less than {reach().floor:.1%}.*set slice.align=1"):
        tell_floor(reach())


@pytest.fixture(scope="module")
def network() -> Model:
    return from_timm("test_resnet", 64)


@pytest.mark.slow
@pytest.mark.parametrize("counted", ["weights", "macs"])
def test_the_share_of_the_whole_network(network: Model, counted: str, tmp_path: Path) -> None:
    """Of what is not sliced all is kept: counted by weight, and by multiplication as often as it is used."""
    neurons = try_export(network, tmp_path, 0)
    channels = channel_map(network)
    kinds = {layer.parameter: layer.kind for layer in neurons.layers}
    groups = eligible(channels, kinds, ("conv", "linear"))
    uses = count_uses(network, neurons) if counted == "macs" else None
    gates = ChannelGates(network.module, groups, network.classifier_parameters(), by_rank=True, align=16, uses=uses)
    for score in gates.scores:
        score -= 0.6
    masks = gates.masks()
    total = kept = 0
    for name, parameter in network.module.named_parameters():
        times = 1 if uses is None else uses.get(name, 0)
        total += times * parameter.numel()
        kept += times * (int(masks[name].sum()) if name in masks else parameter.numel())
    assert gates.network == total
    assert gates.of_network == pytest.approx(kept / total)
    assert gates.retention < gates.of_network < 1
    assert math.isclose(gates.retention, gates.kept() / gates.weights)

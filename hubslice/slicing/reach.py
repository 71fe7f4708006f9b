"""Compute the minimum retention of whole channels: one unit of every group, rounded up by alignment."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hubslice.core.errors import HubsliceWarning, SliceError
from hubslice.graph.channel_groups import ChannelMap
from hubslice.recipe.slicing import ChannelSlicing, Method
from hubslice.slicing.cutting import Cutting, eligible

STEPS = (8, 4, 2, 1)  # alignments to suggest instead of one that keeps too much
MUCH = 0.5  # share of the sliceable weights; a higher minimum is reported before a search
NEAR = 1e-6  # shares that differ by less are equal


@dataclass(frozen=True)
class Reach:
    """The minimum that can be kept of `counted`, the weights or multiplications of the sliceable layers."""

    cutting: Cutting
    align: int
    counted: str

    def least(self, align: int) -> float:
        """Return the share that is kept if every group keeps as little as this alignment allows."""
        groups = self.cutting.groups
        return self.cutting.fewest(align) / self.cutting.weights if groups and self.cutting.weights else 0.0

    @property
    def floor(self) -> float:
        """The minimum share with the recipe's alignment."""
        return self.least(self.align)

    def lower(self, wanted: float) -> str:
        """Return the setting that reaches `wanted`, or the lowest possible share; empty if none helps."""
        for align in STEPS:
            if align < self.align and self.least(align) <= wanted + NEAR:
                return f"set slice.align={align}, which allows {self.least(align):.1%}"
        if self.align > 1 and self.least(1) < self.floor - NEAR:
            return f"set slice.align=1, which allows {self.least(1):.1%}"
        return ""

    def check(self, key: str, given: float, retention: float) -> None:
        """Check that the share `retention`, which the recipe requests as `key: given`, can be reached.

        Raises:
            SliceError: even the fewest channels are more.
        """
        if retention >= self.floor - NEAR:
            return
        lower = self.lower(retention)
        aligned = f"with slice.align: {self.align}" if self.align > 1 else "one unit of every group stays, so that"
        raise SliceError(
            f"{key}: {given:g} cannot be reached: {aligned} no less than {self.floor:.1%} of the {self.counted} of the "
            f"layers that may be sliced can be kept, whatever the other settings",
            hint=f"{lower}; or ask for {_to_keep(key, self.floor)}"
            if lower
            else f"ask for {_to_keep(key, self.floor)}, or widen slice.layers",
        )


def reach_of(
    params: ChannelSlicing,
    shapes: Mapping[str, tuple[int, ...]],
    kinds: Mapping[str, str],
    channels: ChannelMap,
    uses: Mapping[str, int] | None,
) -> Reach:
    """Return the reach of a slice of whole channels; `shapes` are the model's parameters without the classifier's.

    Raises:
        SliceError: no channels can be removed from the layers that the recipe selects.
    """
    counted = "multiplications" if uses is not None else "weights"
    return Reach(Cutting(eligible(channels, kinds, params.layers), shapes, uses), params.align, counted)


def check_reach(params: Method, reach: Reach) -> None:
    """Check that the share requested by the recipe can be reached, before anything is searched or ranked.

    Raises:
        SliceError: it cannot.
    """
    if params.kept is not None:
        reach.check(*params.kept)


def tell_floor(reach: Reach) -> None:
    """Warn of the minimum for a search that keeps as little as possible, whatever its other settings."""
    lower = reach.lower(0.0)
    warnings.warn(
        f"with slice.align: {reach.align} no less than {reach.floor:.1%} of the {reach.counted} of the layers that may "
        f"be sliced can be kept, whatever the other settings" + (f"; {lower}" if lower else ""),
        HubsliceWarning,
        stacklevel=2,
    )


def _to_keep(key: str, floor: float) -> str:
    """Return the nearest value of the key that can be reached, rounded in the safe direction."""
    value = np.ceil(1000 * floor) / 1000 if key == "slice.retention" else np.floor(1000 * (1 - floor)) / 1000
    return f"{key}={value:g}"

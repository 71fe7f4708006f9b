"""Compute which weights are removed with which units of channel groups."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np

from hubslice.core.errors import SliceError
from hubslice.graph.channel_groups import ChannelGroup, ChannelMap
from hubslice.slicing.candidates import KINDS

Open = Sequence[np.ndarray]  # for each group, the units that are kept: bool [units]


def aligned(group: ChannelGroup, scores: np.ndarray, wanted: int, align: int) -> np.ndarray:
    """Return the `wanted` best units, and as many of the next ones as make a multiple of `align`: bool [units].

    For heads, and groups of fewer units than `align`, any number is allowed. Equal scores: the earlier unit.
    """
    if wanted and group.kind != "heads" and group.units >= align:
        wanted = min(-(-wanted // align) * align, group.units)
    kept = np.zeros(group.units, bool)
    kept[np.argsort(-scores, kind="stable")[:wanted]] = True
    return kept


class Cutting:
    """Counts and marks the weights that remain when some units of the groups are kept.

    `shapes` are those of the parameters that count; entries of other tensors (running statistics, the classifier) are
    ignored. With `uses`, the number of times a parameter's weights are used for one input, multiplications are counted
    instead of weights.
    """

    def __init__(
        self,
        groups: Sequence[ChannelGroup],
        shapes: Mapping[str, tuple[int, ...]],
        uses: Mapping[str, int] | None = None,
    ) -> None:
        self.groups = tuple(groups)
        self._parts = [[part for part in (*g.makes, *g.reads) if part.tensor in shapes] for g in self.groups]
        self.shapes = {part.tensor: shapes[part.tensor] for parts in self._parts for part in parts}
        self._uses = {name: 1 if uses is None else uses.get(name, 0) for name in self.shapes}

    @property
    def weights(self) -> int:
        """The total number of weights in the groups' tensors."""
        return sum(self._uses[name] * math.prod(shape) for name, shape in self.shapes.items())

    def kept(self, units: Open) -> int:
        """Return how many weights remain."""
        total = 0
        for name, axes in self._lines(units).items():
            left = {axis: int(line.sum()) for axis, line in axes.items()}
            sides = (left.get(axis, length) for axis, length in enumerate(self.shapes[name]))
            total += self._uses[name] * math.prod(sides)
        return total

    def fewest(self, align: int) -> int:
        """Return how many weights remain if of every group one unit is kept, rounded up to a multiple of `align`."""
        return self.kept([aligned(group, np.zeros(group.units), 1, align) for group in self.groups])

    def masks(self, units: Open) -> dict[str, np.ndarray]:
        """Return relevance by parameter, bool of its shape: a weight is kept if its position on every axis is."""
        masks = {}
        for name, axes in self._lines(units).items():
            mask = np.ones(self.shapes[name], bool)
            for axis, line in axes.items():
                mask &= line.reshape([-1 if other == axis else 1 for other in range(mask.ndim)])
            masks[name] = mask
        return masks

    def costs(self, units: Open) -> list[float]:
        """Return for each group how many weights each of its units has that are kept on their other axes."""
        lines = self._lines(units)
        shares = {name: {axis: float(line.mean()) for axis, line in axes.items()} for name, axes in lines.items()}
        found = []
        for parts in self._parts:
            cost = 0.0
            for part in parts:
                shape = self.shapes[part.tensor]
                others = (share for axis, share in shares[part.tensor].items() if axis != part.axis)
                along = self._uses[part.tensor] * math.prod(shape) / shape[part.axis]
                cost += along * part.entries.shape[1] * math.prod(others)
            found.append(cost)
        return found

    def _lines(self, units: Open) -> dict[str, dict[int, np.ndarray]]:
        """Return the positions that are kept, by parameter and axis: bool [length]."""
        found: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
        for parts, kept in zip(self._parts, units, strict=True):
            for part in parts:
                line = found[part.tensor].setdefault(part.axis, np.ones(self.shapes[part.tensor][part.axis], bool))
                line[part.entries.reshape(-1)] &= np.repeat(kept, part.entries.shape[1])
        return found


def eligible(channels: ChannelMap, kinds: Mapping[str, str], patterns: Sequence[str]) -> list[ChannelGroup]:
    """Return the groups that `slice.layers` allows: all weights that make their units are selected.

    `kinds` is the kind of layer by parameter. Depthwise kernels are removed with the channels that they filter, unless
    a pattern excludes them.

    Raises:
        SliceError: no group is selected, or a pattern selects no layer.
    """
    idle = [
        pattern
        for pattern in patterns
        if (name := pattern.removeprefix("!")) not in KINDS and not any(fnmatchcase(known, name) for known in kinds)
    ]
    if idle:
        raise SliceError(
            f"slice.layers: {idle[0]!r} matches no layer",
            hint=f"use {', '.join(KINDS)} or patterns over names such as {', '.join(list(kinds)[:3])}",
        )
    chosen = [group for group in channels.groups if all(_allowed(p.tensor, kinds, patterns) for p in group.makes)]
    if not chosen:
        whole = "; ".join(f"{name}: {why}" for name, why in list(channels.whole.items())[:3])
        raise SliceError(
            f"no channels can be taken out ({whole})"
            if whole
            else "slice.layers selects no channels that can be taken out",
            hint="widen slice.layers, or use slice.granularity=weight",
        )
    return chosen


def left_whole(channels: ChannelMap, classifier: frozenset[str]) -> dict[str, str]:
    """Return the layers that cannot lose channels, with the reason, except the classifier, which is never sliced."""
    return {name: why for name, why in channels.whole.items() if f"{name}.weight" not in classifier}


def _allowed(parameter: str, kinds: Mapping[str, str], patterns: Sequence[str]) -> bool:
    kind = kinds.get(parameter)
    if kind is None:  # a bias or normalisation, which belongs to its layer
        return True
    kept = kind == "depthwise"
    for pattern in patterns:
        wanted = pattern.removeprefix("!")
        if kind == wanted if wanted in KINDS else fnmatchcase(parameter, wanted):
            kept = not pattern.startswith("!")
    return kept

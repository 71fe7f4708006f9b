"""Channels that can be removed together: what sums, concatenations and heads of a network tie to one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Part:
    """The entries of one tensor of the state dict that belong to the units of a group.

    `entries` [units, k] are positions along `axis`: unit u owns entries[u]. k is 1 for most tensors; it is the head's
    size for attention, and the number of positions where a convolution's channels were flattened for a linear layer.
    Entries may name only some of the positions along the axis (one side of a concatenation, the queries of a packed
    projection).
    """

    tensor: str
    axis: int
    entries: np.ndarray


@dataclass(frozen=True)
class ChannelGroup:
    """Units that are kept or removed as a whole: channels of all tensors that a sum ties together, heads, MLP widths.

    `makes` are the tensors that compute the units: rows of weights, biases, scale and shift of normalisation and its
    running statistics. Where all of a unit's entries in them that are parameters are zero, the unit is zero for every
    input, and what `reads` it does not matter: columns of weights, and all of the rows of a gate that multiplies the
    unit (squeeze-excite). `name` is the module that computes the units first; where its channels fall into several
    groups, those behind the first have "#2" and so on behind it.
    """

    name: str
    kind: str  # "channels", "heads" or "features"
    units: int
    makes: tuple[Part, ...]
    reads: tuple[Part, ...]


@dataclass(frozen=True)
class ChannelMap:
    """All removable groups of a network, and the layers that stay whole, each with the reason."""

    groups: tuple[ChannelGroup, ...]
    whole: Mapping[str, str] = field(default_factory=dict)

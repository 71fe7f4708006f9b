"""Groups of channels that must be removed together: sums, concatenations and heads of a network couple them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Part:
    """The entries of one state dict tensor that belong to the units of a group.

    `entries` [units, k] are positions along `axis`: unit u owns entries[u]. k is 1 for most tensors; for attention it
    is the head's size, and where a convolution's channels were flattened for a linear layer it is the number of
    positions. Entries may cover only some of the positions along the axis (one side of a concatenation, the queries of
    a packed projection).
    """

    tensor: str
    axis: int
    entries: np.ndarray


@dataclass(frozen=True)
class ChannelGroup:
    """Units that are kept or removed as a whole: channels of all tensors that a sum couples, heads, MLP widths.

    `makes` are the tensors that compute the units: rows of weights, biases, scale and shift of normalisation and its
    running statistics. If all parameter entries of a unit in them are zero, the unit is zero for every input, and what
    `reads` it has no effect: columns of weights, and all rows of a gate that multiplies the unit (squeeze-excite).
    `name` is the module that computes the units first; if its channels fall into several groups, the second one's name
    ends with "#2" and so on.
    """

    name: str
    kind: str  # "channels", "heads" or "features"
    units: int
    makes: tuple[Part, ...]
    reads: tuple[Part, ...]


@dataclass(frozen=True)
class ChannelMap:
    """All removable groups of a network, and the layers that cannot be reduced, each with the reason."""

    groups: tuple[ChannelGroup, ...]
    whole: Mapping[str, str] = field(default_factory=dict)

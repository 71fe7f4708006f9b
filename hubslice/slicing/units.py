"""Baseline slices of whole channels by importance of each unit: magnitude pruning and random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hubslice.graph.channel_groups import ChannelGroup
from hubslice.slicing.cutting import Cutting, aligned


def unit_magnitudes(
    groups: Sequence[ChannelGroup], weights: Mapping[str, np.ndarray], seed: int, known: object = None
) -> list[np.ndarray]:
    """Return the Euclidean norm of each unit's weights, divided by the mean of its group: float [units] each.

    The scale of a group reflects its position in the network more than its importance (Fang et al., *DepGraph*, CVPR
    2023, normalise likewise).
    """
    del known, seed
    found = []
    for group in groups:
        squares = np.zeros(group.units)
        for part in group.makes:
            if part.tensor in weights:
                weight = np.square(weights[part.tensor].astype(np.float64))
                along = weight.sum(axis=tuple(axis for axis in range(weight.ndim) if axis != part.axis))
                squares += along[part.entries].sum(1)
        norms = np.sqrt(squares)
        found.append(norms / max(norms.mean(), np.finfo(float).tiny))
    return found


def unit_chances(
    groups: Sequence[ChannelGroup], weights: Mapping[str, np.ndarray], seed: int, known: object = None
) -> list[np.ndarray]:
    """Return a seeded random number for each unit: float [units] each."""
    del weights, known
    rng = np.random.default_rng(seed)
    return [rng.random(group.units) for group in groups]


def most_important(
    cutting: Cutting, importance: Sequence[np.ndarray], retention: float, align: int = 1
) -> list[np.ndarray]:
    """Return as many of the most important units as fit into this share of the weights: bool [units] each.

    The best unit of every group is kept, or the network would be disconnected; `retention` is exceeded if these, with
    alignment, have more weights.
    """
    limits = np.append(np.sort(np.concatenate(importance)), np.inf)

    def kept(limit: float) -> list[np.ndarray]:
        return [
            aligned(group, values, max(int((values >= limit).sum()), 1), align)
            for group, values in zip(cutting.groups, importance, strict=True)
        ]

    low, high = 0, len(limits) - 1  # the smallest sufficient limit is in [low, high]
    while low < high:
        middle = (low + high) // 2
        if cutting.kept(kept(limits[middle])) <= retention * cutting.weights:
            high = middle
        else:
            low = middle + 1
    return kept(limits[low])

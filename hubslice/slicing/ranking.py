"""Fast global ranking of millions of weights."""

from __future__ import annotations

import numpy as np
import torch


def ascending_ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value, int64 from 0; ties are ranked by position. Values are non-negative float32."""
    # The bits of such numbers have the order of the numbers, and torch sorts integers four times as fast.
    order = torch.argsort(torch.from_numpy(values.view(np.int32)), stable=True).numpy()
    ranks = np.empty(values.size, dtype=np.int64)
    ranks[order] = np.arange(values.size)
    return ranks


def above_lowest(scores: np.ndarray, ratio: float) -> np.ndarray:
    """Return True for scores above the one at index int(n * ratio) of the sorted scores; for all at ratio 0.

    The threshold itself is excluded, as in ReMoS: `relevant = score > threshold`.
    """
    if ratio <= 0:
        return np.ones(scores.size, dtype=bool)
    index = min(int(scores.size * ratio), scores.size - 1)
    above: np.ndarray = scores > np.partition(scores, index)[index]
    return above

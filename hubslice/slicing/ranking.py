"""Global ranks over millions of weights."""

from __future__ import annotations

import numpy as np
import torch


def ascending_ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value, int64 from 0; equal values are ranked by position. Values are float32 and not negative."""
    # The bits of such numbers are ordered as the numbers are, and torch sorts integers four times as fast.
    order = torch.argsort(torch.from_numpy(values.view(np.int32)), stable=True).numpy()
    ranks = np.empty(values.size, dtype=np.int64)
    ranks[order] = np.arange(values.size)
    return ranks


def above_lowest(scores: np.ndarray, ratio: float) -> np.ndarray:
    """True for the scores above the one at index int(n * ratio) of the sorted scores; for all of them at ratio 0.

    The limit itself falls, as in ReMoS: `relevant = score > threshold`.
    """
    if ratio <= 0:
        return np.ones(scores.size, dtype=bool)
    index = min(int(scores.size * ratio), scores.size - 1)
    above: np.ndarray = scores > np.partition(scores, index)[index]
    return above

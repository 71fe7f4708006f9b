"""Draw some of many, the same ones for a seed."""

from __future__ import annotations

import numpy as np


def drawn(count: int, most: int, seed: int) -> np.ndarray:
    """Return at most `most` of the positions 0 to `count` - 1, drawn with the seed: int64, ascending."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])

"""What is simplified to what: the subsets of classes, the methods, the ratios."""

from __future__ import annotations

import numpy as np

from ..reuse.data import LABELS

SIZES = range(2, 10)
OF_EACH = 4  # subsets of each size
SEED = 0
RATIOS = (0.3, 0.5, 0.7)
BARE_RATIOS = (0.5,)  # at which the means of what falls are also left out
TRAINED = 6  # the first subsets, which are also trained for an epoch
TRAINED_RATIOS = (0.5, 0.7)
METHODS = {
    "strong": "NNSlicer, theta 0.5",
    "nnslicer": "NNSlicer, theta 0.1",
    "released": "NNSlicer, released rule",
    "uses": "NNSlicer, theta 0.1, uses counted",
    "path": "EffectivePath",
    "seam": "SeaM's start, squared gate gradients",
    "remos": "ReMoS",
    "magnitude": "magnitude",
    "channel": "channel magnitude",
    "random": "random",
}


def subsets() -> tuple[tuple[int, ...], ...]:
    """The subsets of classes by their numbers, in drawn order: sizes 2 to 9 in turns, none twice."""
    rng = np.random.default_rng(SEED)
    found: list[tuple[int, ...]] = []
    for _ in range(OF_EACH):
        for size in SIZES:
            drawn = None
            while drawn is None or drawn in found:
                drawn = tuple(sorted(int(label) for label in rng.permutation(len(LABELS))[:size]))
            found.append(drawn)
    return tuple(found)

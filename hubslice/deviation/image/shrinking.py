"""Reduce a trigger's difference to its seed while the models still deviate."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

from hubslice.deviation.answers import Answers
from hubslice.deviation.image.likeness import Bound
from hubslice.deviation.neighbourhood import SHRINKING

BISECTIONS = 6


def shrink(
    seed: np.ndarray,
    trigger: np.ndarray,
    answers: Answers,
    deviates: Callable[[Answers], bool],
    bound: Bound,
) -> Generator[np.ndarray, Answers, tuple[np.ndarray, Answers, int]]:
    """Return a trigger uint8 [C, H, W] closer to the seed in every value, its answers, and the number of queries.

    First the whole change is scaled down by bisection, then it is reverted block by block, with block sizes halved
    starting from half of the image (the idea of delta debugging).
    """
    asked, low, high = 0, 0.0, 1.0
    change = trigger - seed.astype(np.int16)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        scaled = (seed + np.rint(middle * change)).astype(np.uint8)
        if np.array_equal(scaled, trigger) or np.array_equal(scaled, seed):
            break
        if not bound.holds(scaled):
            low = middle
            continue
        told = yield scaled
        asked += 1
        if deviates(told):
            trigger, answers, high = scaled, told, middle
        else:
            low = middle
    height, width = seed.shape[1:]
    side = max(height, width) // 2
    while side >= 1:
        for top in range(0, height, side):
            for left in range(0, width, side):
                block = np.s_[:, top : top + side, left : left + side]
                if np.array_equal(trigger[block], seed[block]):
                    continue
                if asked == SHRINKING:
                    return trigger, answers, asked
                without = trigger.copy()
                without[block] = seed[block]
                if np.array_equal(without, seed) or not bound.holds(without):
                    continue
                told = yield without
                asked += 1
                if deviates(told):
                    trigger, answers = without, told
        side //= 2
    return trigger, answers, asked

"""Combine several measures of oddness to one score, and compute a threshold from clean scores."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from hubslice.core.errors import DetectError


def closeness(logits: np.ndarray) -> np.ndarray:
    """Return how close the model came to another prediction, float64 [N]: second logit minus first, at most 0."""
    ordered = np.sort(logits.astype(np.float64), axis=1)
    return np.asarray(ordered[:, -2] - ordered[:, -1])


def conformal_score(clean: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return Fisher's sum of -ln p over the measures, float64 [N].

    p is the share of `clean` values of a measure, ascending [V], that are at least as odd as the value found, including
    the input itself. All measures have equal weight, whatever their unit.
    """
    total = np.zeros(len(next(iter(found.values()))))
    for name, values in found.items():
        known = clean[name]
        at_least = len(known) - np.searchsorted(known, values, side="left")
        total -= np.log((at_least + 1) / (len(known) + 1))
    return total


def threshold_for(scores: np.ndarray, rate: float) -> float:
    """Return the score above which at most the share `rate` of new clean inputs lies, in expectation.

    The conformal quantile: rank ceil((n + 1)(1 - rate)) of n clean scores.

    Raises:
        DetectError: there are too few scores for this rate.
    """
    return float(np.sort(scores)[rank_for(len(scores), rate) - 1])


def rank_for(count: int, rate: float) -> int:
    """Return which of `count` ascending clean scores is the threshold, from 1.

    Raises:
        DetectError: there are too few for this rate.
    """
    rank = math.ceil((count + 1) * (1 - rate))
    if rank > count:
        needed = math.ceil(1 / rate) - 1
        raise DetectError(
            f"{count} images for validation cannot tell a false positive rate of {rate:g}: {needed} are needed",
            hint="give more images with --data, or a higher --fpr",
        )
    return rank

"""Scores of pairs into thresholds, curves and error rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubslice.core.rate import Rate

from .pairs import Pair

NO_SCORE = -1.0  # of pairs that are not comparable: no claim is made, which is the least
UNRELATED = ("stranger", "other architecture")


def scores(pairs: Sequence[Pair]) -> np.ndarray:
    """What each pair is ranked by."""
    return np.array([NO_SCORE if pair.score is None else pair.score for pair in pairs])


def threshold(related: Sequence[Pair], strangers: Sequence[Pair]) -> float:
    """Midway between the highest stranger and the lowest relative; the highest stranger where these overlap."""
    low, high = scores(related).min(), max(0.0, scores(strangers).max())
    return float((low + high) / 2 if low > high else high)


def roc(related: Sequence[Pair], strangers: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """False and true positives, as shares, from the strictest threshold to the laxest."""
    good, bad = scores(related), scores(strangers)
    limits = np.unique(np.concatenate([good, bad]))[::-1]
    false = np.array([0.0, *((bad >= limit).mean() for limit in limits)])
    true = np.array([0.0, *((good >= limit).mean() for limit in limits)])
    return false, true


def area(related: Sequence[Pair], strangers: Sequence[Pair]) -> float:
    """Under that curve: the chance that a relative has a higher score than a stranger, ties counting half."""
    good, bad = scores(related)[:, None], scores(strangers)[None]
    return float(((good > bad) + (good == bad) / 2).mean())


def at_full_recall(related: Sequence[Pair], strangers: Sequence[Pair]) -> Rate:
    """Strangers with a score as high as the lowest of the relatives."""
    bad = scores(strangers)
    return Rate(hits=int((bad >= scores(related).min()).sum()), total=len(bad))


def above(pairs: Sequence[Pair], limit: float) -> Rate:
    """Pairs at or above a limit."""
    return Rate(hits=int((scores(pairs) >= limit).sum()), total=len(pairs))


def called(pairs: Sequence[Pair]) -> Rate:
    """Pairs that the verdict calls relatives."""
    return Rate(hits=sum(pair.verdict == "descendant" for pair in pairs), total=len(pairs))


def alike(pairs: Sequence[Pair]) -> Rate:
    """Pairs that have the same shapes, which is all that metadata tell."""
    return Rate(hits=sum(pair.shapes for pair in pairs), total=len(pairs))

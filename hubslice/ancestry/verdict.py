"""Compute a score from the similarity of layers, and a verdict from the score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hubslice.ancestry.calibration import ALIGNED, FEWEST_POSITIONS, IN_PLACE, LEAST_COVERAGE, SIGMAS
from hubslice.artefacts.lineage import Comparison, LayerLikeness, Verdict

_MOST = 8192  # maximum number of positions that count for a layer, so that one wide layer does not dominate


@dataclass(frozen=True)
class Decision:
    """`score` and `threshold` are None if the models are not comparable."""

    verdict: Verdict
    score: float | None
    threshold: float | None


def decide(layers: Sequence[LayerLikeness], compared: float) -> Decision:
    """Return the verdict on layers that cover the share `compared` of the model's weights.

    The score is the mean correlation, with each layer weighted by the root of its positions. Of three layers or more
    the most similar one is excluded: tables computed by a formula (sine positions, filters) are equal in unrelated
    models.
    """
    counted = sorted(layers, key=lambda layer: layer.correlation)
    if len(counted) > 2:
        counted = counted[:-1]
    if sum(layer.positions for layer in counted) < FEWEST_POSITIONS:
        return Decision("not comparable", None, None)
    weights = [_weight(layer) for layer in counted]
    total = sum(weights)
    score = sum(w * layer.correlation for w, layer in zip(weights, counted, strict=True)) / total
    noise = math.sqrt(sum((w * layer.null) ** 2 for w, layer in zip(weights, counted, strict=True))) / total
    limit = max(ALIGNED if counted[0].aligned else IN_PLACE, SIGMAS * noise)
    if score >= limit:
        return Decision("descendant", score, limit)
    if compared < LEAST_COVERAGE:
        return Decision("not comparable", None, None)
    return Decision("unrelated", score, limit)


def ranked(found: Sequence[Comparison]) -> list[Comparison]:
    """Return descendants first, by similarity, then the rest by score; models that cannot be compared are last."""
    related = [each for each in found if each.verdict == "descendant"]
    common = set.intersection(*({layer.layer for layer in each.layers} for each in related)) if related else set()
    told = [
        each.model_copy(update={"closeness": _mean([layer for layer in each.layers if layer.layer in common])})
        if each.verdict == "descendant"
        else each
        for each in found
    ]
    order = ("descendant", "unrelated", "not comparable")
    return sorted(told, key=lambda each: (order.index(each.verdict), -(each.closeness or 0.0), -(each.score or 0.0)))


def _mean(layers: Sequence[LayerLikeness]) -> float | None:
    total = sum(_weight(layer) for layer in layers)
    return round(sum(_weight(layer) * layer.correlation for layer in layers) / total, 4) if total else None


def _weight(layer: LayerLikeness) -> float:
    """Return a layer's weight in the score.

    In a sliced model the new head has more positions than all that is left of the teacher.
    """
    return math.sqrt(min(layer.positions, _MOST))

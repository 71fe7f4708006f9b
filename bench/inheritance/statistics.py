"""Means over seeds, and how much less of a defect an arm inherits than the fine-tuned baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubslice.artefacts.report import BASELINE, TEACHER
from hubslice.core.artefact import Artefact
from hubslice.core.rate import Estimate, Rate
from hubslice.defects.rates import by_model, dir_pairs, estimate, outcomes, pair_counts, redrawn

from .predictions import Predictions


class Spread(Artefact):
    """A rate of every seed; the mean is over seeds, each with the same weight."""

    seeds: tuple[Rate, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return sum(rate.value or 0.0 for rate in self.seeds) / len(self.seeds)

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest seed."""
        values = [rate.value or 0.0 for rate in self.seeds]
        return min(values), max(values)


class Summary(Artefact):
    """One arm under one attack. `reduction` is 1 - DIR / baseline's DIR, `drop` is in shares of 1.

    Both have 95 % bootstrap intervals over images, paired, seed by seed.
    """

    arm: str
    title: str
    accuracy: Spread
    drop: Estimate
    dir: dict[str, Spread]  # by source
    reduction: Estimate
    asr: Spread | None


def accuracy(found: Predictions, arm: str) -> Rate:
    """Correct predictions on the clean images."""
    return Rate(hits=int((found.clean(arm) == found.labels).sum()), total=len(found.labels))


def summary(seeds: Sequence[Predictions], arm: str, attack: str) -> Summary:
    """An arm over all seeds."""
    rows = {source: [found.row(attack, source, arm) for found in seeds] for source in seeds[0].attacks[attack]}
    asr = [row.asr for row in rows[TEACHER] if row.asr is not None]
    drop, reduction = _against_baseline(seeds, arm, attack)
    return Summary(
        arm=arm,
        title=seeds[0].arms[arm],
        accuracy=Spread(seeds=tuple(accuracy(found, arm) for found in seeds)),
        drop=drop,
        dir={source: Spread(seeds=tuple(row.dir for row in found)) for source, found in rows.items()},
        reduction=reduction,
        asr=Spread(seeds=tuple(asr)) if asr else None,
    )


def _against_baseline(seeds: Sequence[Predictions], arm: str, attack: str) -> tuple[Estimate, Estimate]:
    """Accuracy lost, and share of the DIR avoided.

    Images are drawn anew within each seed, rates are averaged over the seeds. The interval tells how far the images
    decide; the spread over seeds stands beside it.
    """
    rng = np.random.default_rng(0)
    pairs = [pair_counts(_outcomes(found, arm, attack), _outcomes(found, BASELINE, attack)) for found in seeds]
    drawn = [redrawn(counts, rng) for counts in pairs]
    (lost, avoided), (lost_drawn, avoided_drawn) = _gains([counts[None] for counts in pairs]), _gains(drawn)
    n, right = (sum(int(counts[first:].sum()) for counts in pairs) for first in (0, 1))  # by either, when clean
    return estimate(lost[0], lost_drawn, n), estimate(avoided[0], avoided_drawn, right)


def _gains(seeds: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy lost and share of the DIR avoided, float64 [R] each, for counts of outcome pairs [R, 9] by seed."""
    accuracies = np.mean([_accuracies(pairs) for pairs in seeds], axis=0)
    rates = np.mean([dir_pairs(pairs) for pairs in seeds], axis=0)
    return accuracies[:, 1] - accuracies[:, 0], 1 - rates[:, 0] / rates[:, 1]


def _outcomes(found: Predictions, arm: str, attack: str) -> np.ndarray:
    return outcomes(found.seen[attack, TEACHER, arm] != found.labels, found.clean(arm) == found.labels)


def _accuracies(pairs: np.ndarray) -> np.ndarray:
    """The arm's and the baseline's accuracy, float64 [R, 2], for counts of outcome pairs [R, 9]."""
    counts = by_model(pairs)
    return (counts[:, :, 1] + counts[:, :, 2]) / counts.sum(2)

"""Means over seeds, and how much less of a defect an arm inherits than the fine-tuned baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubslice.artefacts.report import BASELINE, TEACHER
from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate

from .predictions import Predictions

RESAMPLES = 10_000


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


class Difference(Artefact):
    """A difference to the baseline with its 95 % bootstrap interval over images, paired, seed by seed."""

    value: float
    low: float
    high: float


class Summary(Artefact):
    """One arm under one attack. `reduction` is 1 - DIR / baseline's DIR, `drop` is in shares of 1."""

    arm: str
    title: str
    accuracy: Spread
    drop: Difference
    dir: dict[str, Spread]  # by source
    reduction: Difference
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


def _against_baseline(seeds: Sequence[Predictions], arm: str, attack: str) -> tuple[Difference, Difference]:
    """Accuracy lost, and share of the DIR avoided.

    Images are drawn anew within each seed (multinomially over the pairs of outcomes, which is the same), rates are
    averaged over the seeds. The interval tells how far the images decide; the spread over seeds stands beside it.
    """
    rng = np.random.default_rng(0)
    observed, drawn = [], []
    for found in seeds:
        pairs = np.bincount(3 * _outcomes(found, arm, attack) + _outcomes(found, BASELINE, attack), minlength=9)
        n = int(pairs.sum())
        observed.append(_rates(pairs[None]))
        drawn.append(_rates(rng.multinomial(n, pairs / n, size=RESAMPLES)))
    point, draws = np.mean(observed, axis=0)[0], np.mean(drawn, axis=0)
    return (
        _difference(point[3] - point[2], draws[:, 3] - draws[:, 2]),
        _difference(1 - point[0] / point[1], 1 - draws[:, 0] / draws[:, 1]),
    )


def _outcomes(found: Predictions, arm: str, attack: str) -> np.ndarray:
    """Per image: 0 wrong when clean, 1 withstood the attack, 2 was made wrong by it."""
    right = found.clean(arm) == found.labels
    return np.where(right, np.where(found.seen[attack, TEACHER, arm] != found.labels, 2, 1), 0)


def _rates(pairs: np.ndarray) -> np.ndarray:
    """For counts of outcome pairs [R, 9]: the arm's and the baseline's DIR, then their accuracies, float64 [R, 4]."""
    table = pairs.reshape(-1, 3, 3)
    counts = np.stack([table.sum(2), table.sum(1)], axis=1)  # [R, model, outcome]
    right = counts[:, :, 1] + counts[:, :, 2]
    return np.concatenate([counts[:, :, 2] / right, right / counts.sum(2)], axis=1)


def _difference(value: float, draws: np.ndarray) -> Difference:
    low, high = np.percentile(draws, [2.5, 97.5])
    return Difference(value=float(value), low=float(low), high=float(high))

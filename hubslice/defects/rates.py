"""Compute rates from predictions: how often each model was fooled, and the reduction relative to the baseline."""

from __future__ import annotations

from typing import Final

import numpy as np

from hubslice.artefacts.report import DefectRow
from hubslice.core.rate import Estimate, Rate, Reduction

RESAMPLES: Final = 10_000
LEAST_BASELINE: Final = 0.2  # below this baseline rate, ratios of rates are noise


def defect_row(
    arm: str, source: str, *, truth: np.ndarray, clean: np.ndarray, attacked: np.ndarray, target: int | None = None
) -> DefectRow:
    """Return one model's rates under one attack; all arrays int64 [n], classes by image.

    The DIR is taken over all clean-correct images, as published: images of the trigger's target class count too, though
    the trigger can hardly make them wrong. The ASR excludes them from hits and total.
    """
    correct = clean == truth
    asr = None
    if target is not None:
        others = truth != target
        asr = Rate(hits=int(((attacked == target) & others).sum()), total=int(others.sum()))
    return DefectRow(
        arm=arm,
        source=source,
        dir=Rate(hits=int((correct & (attacked != truth)).sum()), total=int(correct.sum())),
        collapse=Rate(hits=int(np.bincount(attacked).max()) if attacked.size else 0, total=attacked.size),
        asr=asr,
    )


def paired_reduction(
    student_wrong: np.ndarray,
    student_correct: np.ndarray,
    baseline_wrong: np.ndarray,
    baseline_correct: np.ndarray,
    seed: int,
    *,
    baseline: str = "finetune",
    resamples: int = RESAMPLES,
) -> Reduction | None:
    """Return the reduction of the student's DIR relative to the baseline's; None if either has no clean-correct image.

    Args:
        student_wrong: bool [n], the student errs on the attacked image.
        student_correct: bool [n], it is right on the clean image.
        baseline_wrong: bool [n], the baseline errs on the attacked image.
        baseline_correct: bool [n], it is right on the clean image.
        seed: seeds the resamples of the paired bootstrap.
        baseline: the baseline's arm.
        resamples: number of bootstrap resamples.
    """
    student = outcomes(student_wrong, student_correct)
    base = outcomes(baseline_wrong, baseline_correct)
    whole = _estimates(student, base, seed, resamples)
    if whole is None:
        return None
    both = (student > 0) & (base > 0)
    common = _estimates(student[both], base[both], seed, resamples)
    return Reduction(
        baseline=baseline,
        difference=whole[0],
        relative=whole[1],
        common_difference=common[0] if common else None,
        common_relative=common[1] if common else None,
    )


def outcomes(wrong: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Per image, int64 [n]: 0 not clean-correct, 1 withstood the attack, 2 was made wrong by it."""
    return np.where(correct, np.where(wrong, 2, 1), 0).astype(np.int64)


def pair_counts(student: np.ndarray, base: np.ndarray) -> np.ndarray:
    """How many images have each pair of outcomes, int64 [9], the student's counting thrice."""
    return np.bincount(3 * student + base, minlength=9)


def redrawn(counts: np.ndarray, rng: np.random.Generator, resamples: int = RESAMPLES) -> np.ndarray:
    """Counts [K] of images by kind in bootstrap resamples, int64 [R, K].

    A rate depends on a resample only through how many of its images are of each kind, so those counts are drawn
    (multinomially: the very distribution that drawing images with replacement gives) at a cost that does not grow with
    the images.
    """
    n = int(counts.sum())
    return rng.multinomial(n, counts / n, size=resamples)


def dir_pairs(pairs: np.ndarray) -> np.ndarray:
    """Student's and baseline's DIR, float64 [R, 2], for counts of outcome pairs [R, 9]; NaN where undefined."""
    counts = by_model(pairs)
    with np.errstate(invalid="ignore"):
        return np.asarray(counts[:, :, 2] / (counts[:, :, 1] + counts[:, :, 2]))


def by_model(pairs: np.ndarray) -> np.ndarray:
    """Counts of the student's outcomes and of the baseline's, int64 [R, 2, 3], from those of the pairs [R, 9]."""
    table = pairs.reshape(-1, 3, 3)
    return np.stack([table.sum(2), table.sum(1)], axis=1)


def estimate(value: float, draws: np.ndarray, n: int) -> Estimate:
    """A value of `n` images with the 95 % percentile interval of its resamples [R] without those that are undefined."""
    low, high = np.percentile(draws[np.isfinite(draws)], [2.5, 97.5])
    return Estimate(value=float(value), low=float(low), high=float(high), n=n)


def _estimates(
    student: np.ndarray, base: np.ndarray, seed: int, resamples: int
) -> tuple[Estimate, Estimate | None] | None:
    """Difference and ratio of the rates."""
    pairs = pair_counts(student, base)
    n = int(pairs.sum())
    observed = dir_pairs(pairs[None])[0]
    if not n or np.isnan(observed).any():
        return None
    rates = dir_pairs(redrawn(pairs, np.random.default_rng(seed), resamples))
    informative = n - int(pairs[0])
    difference = estimate(observed[1] - observed[0], rates[:, 1] - rates[:, 0], informative)
    if observed[1] < LEAST_BASELINE:
        return difference, None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = 1 - rates[:, 0] / rates[:, 1]
    return difference, estimate(1 - observed[0] / observed[1], ratios, informative)

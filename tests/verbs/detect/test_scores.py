"""Distances, p-values and thresholds against slow, obvious references."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hubslice.core.errors import DetectError
from hubslice.verbs.detect.conformal import closeness, conformal_score, threshold_for
from hubslice.verbs.detect.detector import learn
from hubslice.verbs.detect.neighbours import NEAREST, TINY, Neighbours


def test_oddness_is_the_ratio_of_distances() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 5)).astype(np.float32) * np.array([1, 5, 0.2, 3, 0], np.float32)
    answers = np.arange(60) % 3
    asked, labels = rng.normal(size=(300, 5)).astype(np.float32), rng.integers(0, 3, 300)
    found = Neighbours.of(vectors, answers).oddness(asked, labels)
    scale = np.where(vectors.std(axis=0) > TINY, vectors.std(axis=0), np.inf)
    for at in range(300):
        apart = (((asked[at] - vectors) / scale) ** 2).sum(axis=1)
        same, other = (np.sort(apart[answers == labels[at]]), np.sort(apart[answers != labels[at]]))
        expected = math.log((same[NEAREST - 1] + TINY) / (other[NEAREST - 1] + TINY)) / 2
        assert found[at] == pytest.approx(expected, abs=2e-3)


def test_surprise_counts_clean_values_that_are_as_odd() -> None:
    clean = {"a": np.array([1.0, 2.0, 2.0, 3.0]), "b": np.array([0.0, 0.0, 0.0, 9.0])}
    found = conformal_score(clean, {"a": np.array([0.0, 2.0, 4.0]), "b": np.array([0.0, 1.0, 9.5])})
    shares = [(5 / 5) * (5 / 5), (4 / 5) * (2 / 5), (1 / 5) * (1 / 5)]
    np.testing.assert_allclose(found, [-math.log(share) for share in shares])


def test_closeness() -> None:
    np.testing.assert_allclose(closeness(np.array([[1.0, 4.0, 3.5], [2.0, 2.0, 0.0]])), [-0.5, 0.0])


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_the_threshold_keeps_its_rate(rate: float) -> None:
    """Over many draws, the share of new clean scores above the threshold is at most the rate, and not far below."""
    rng = np.random.default_rng(0)
    shares = [float((rng.normal(size=500) > threshold_for(rng.normal(size=199), rate)).mean()) for _ in range(400)]
    assert rate - 0.006 < np.mean(shares) < rate + 0.003


def test_too_few_scores_for_the_rate() -> None:
    assert threshold_for(np.arange(19.0), 0.05) == 18
    with pytest.raises(DetectError, match=r"18 images for validation cannot tell a false positive rate of 0\.05: 19"):
        threshold_for(np.arange(18.0), 0.05)


def test_learning_holds_out_a_share_of_every_answer() -> None:
    rng = np.random.default_rng(0)
    answers = np.repeat([0, 1, 2], [100, 50, 20])
    logits = np.eye(3)[answers] + rng.uniform(0, 0.1, (170, 3))
    vectors = (np.eye(3)[answers] + rng.normal(size=(170, 3)) / 10).astype(np.float32)
    neighbours, clean, threshold = learn(vectors, logits, 0.1, ("slice", "margin"), seed=0)
    assert np.bincount(neighbours.answers).tolist() == [70, 35, 14]
    assert {name: len(values) for name, values in clean.items()} == {"slice": 51, "margin": 51}
    again = learn(vectors, logits, 0.1, ("slice", "margin"), seed=0)
    assert again[2] == threshold
    assert (neighbours.oddness(vectors, answers) < 0).all()

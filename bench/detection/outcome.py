"""What was measured, as files: an attack each, the variants of slices that were chosen from, the clean images."""

from __future__ import annotations

import numpy as np

from hubslice.core.artefact import Artefact

DRAWS = 1000  # of a bootstrap
RATE = 0.05  # of false positives

METHODS = {
    "softmax": "softmax",
    "margin": "logit margin",
    "mahalanobis": "Mahalanobis, penultimate",
    "knn": "kNN, penultimate",
    "maps": "feature maps, classifier as slices",
    "path": "EffectivePath, classifier as slices",
    "tree": "decision tree on slices",
    "slice": "slices",
    "slice+margin": "slices and margin (shipped)",
}


class Figure(Artefact):
    """A figure and its 95 % bootstrap interval, over clean and attacked images."""

    value: float
    low: float
    high: float


class Found(Artefact):
    """How well a method tells the attacked images from clean ones: AUROC, and recall at 5 % false positives."""

    auroc: Figure
    recall: Figure


class Outcome(Artefact):
    """An attack's test half: `n` successes that count; `tried` images of both halves were attacked."""

    attack: str
    source: str
    instead: str
    n: int
    tried: int
    clean: int
    found: dict[str, Found]
    machine: str


class Variants(Artefact):
    """Mean AUROC over the attacks' choice half, by variant of slices; `attacks` says which were there."""

    attacks: tuple[str, ...]
    auroc: dict[str, float]


class Clean(Artefact):
    """The shipped detector on clean test images that the model gets right, and on those that it gets wrong."""

    fitted: int
    held_out: int
    right: int
    flagged_right: int
    wrong: int
    flagged_wrong: int


def judge(clean: np.ndarray, attacked: np.ndarray, seed: int = 0) -> Found:
    """Scores of clean [N] and attacked images [M], higher for odder, to figures."""
    rng = np.random.default_rng(seed)
    draws = [
        (clean[rng.integers(0, len(clean), len(clean))], attacked[rng.integers(0, len(attacked), len(attacked))])
        for _ in range(DRAWS)
    ]
    return Found(auroc=_figure(auroc, clean, attacked, draws), recall=_figure(recall, clean, attacked, draws))


def _figure(function, clean, attacked, draws) -> Figure:  # type: ignore[no-untyped-def]
    low, high = np.percentile([function(*draw) for draw in draws], [2.5, 97.5])
    return Figure(value=round(function(clean, attacked), 4), low=round(float(low), 4), high=round(float(high), 4))


def auroc(clean: np.ndarray, attacked: np.ndarray) -> float:
    """The chance that an attacked image scores higher than a clean one; ties count half."""
    ordered = np.sort(clean)
    below, up_to = (np.searchsorted(ordered, attacked, side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(clean))


def recall(clean: np.ndarray, attacked: np.ndarray) -> float:
    """The share of attacked images above the score that 5 % of the clean ones exceed."""
    place = len(clean) - 1 - int(RATE * len(clean))
    return float((attacked > np.partition(clean, place)[place]).mean())

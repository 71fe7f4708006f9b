"""Two models as functions of pixels, linear and a little different, and images on which they mostly agree."""

from __future__ import annotations

import numpy as np

from hubslice.deviation.answers import Answers

SHAPE = (3, 9, 8)
SIZE = 3 * 9 * 8
_RNG = np.random.default_rng(12)
_A = _RNG.normal(0, 1, (4, SIZE))
_B = _A + _RNG.normal(0, 0.15, _A.shape)


def seeds(count: int, seed: int = 0) -> np.ndarray:
    """Noise, uint8 [count, 3, 9, 8]."""
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE)).astype(np.uint8)


def answers(image: np.ndarray) -> Answers:
    """Computed for this image alone, so that its digits are the same in every batch."""
    pixels = image.ravel() / 255 - 0.5
    return Answers(_log_softmax(_A @ pixels / 3), _log_softmax(_B @ pixels / 3))


def ask(images: np.ndarray) -> list[Answers]:
    return [answers(image) for image in images]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max()
    found: np.ndarray = shifted - np.log(np.exp(shifted).sum())
    return found

"""Seven image mutations, with the parameter ranges of the paper's code."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hubslice.deviation.image.blurs import average_blur, gaussian_blur, median_blur

NOISE = 0.1  # variance of the additive noise, in squared levels
SALTED = 0.004  # share of the values that become white or black
SHIFT, SPREAD = 0.5, 0.05  # multiplicative noise: bounds of its mean and of its variance
CHANGED = 9  # maximum number of values that a random change sets

Mutate = Callable[[np.random.Generator, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Operator:
    """`mutate` returns levels like the image's [C, H, W], not yet rounded and possibly out of range."""

    name: str
    title: str
    mutate: Mutate


def _gaussian_noise(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    return pixels + rng.normal(0.0, math.sqrt(NOISE), pixels.shape)


def _salt_and_pepper(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    found = pixels.copy()
    count = math.ceil(SALTED * pixels.size / 2)
    for level in (255, 0):
        found.flat[rng.integers(0, pixels.size, count)] = level
    return found


def _multiplicative_noise(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    mean, variance = rng.uniform(-SHIFT, SHIFT), rng.uniform(0, SPREAD)
    found: np.ndarray = pixels * (1 + rng.normal(mean, math.sqrt(variance), pixels.shape))
    return found


def _random_change(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    found = pixels.copy()
    count = int(rng.integers(0, CHANGED + 1))
    found.flat[rng.integers(0, pixels.size, count)] = rng.integers(0, 256, count)
    return found


OPERATORS = (
    Operator("gaussian_noise", "additive Gaussian noise", _gaussian_noise),
    Operator("salt_and_pepper", "salt and pepper", _salt_and_pepper),
    Operator("multiplicative_noise", "multiplicative noise, lighter or darker", _multiplicative_noise),
    Operator("random_change", "some values set at random", _random_change),
    Operator("average_blur", "average blur", lambda rng, pixels: average_blur(pixels, int(rng.integers(1, 6)))),
    Operator("gaussian_blur", "Gaussian blur", lambda rng, pixels: gaussian_blur(pixels, _odd(rng))),
    Operator("median_blur", "median blur", lambda rng, pixels: median_blur(pixels, _odd(rng))),
)
NAMES = tuple(operator.name for operator in OPERATORS)
_BY_NAME = {operator.name: operator for operator in OPERATORS}


def mutate(name: str, rng: np.random.Generator, pixels: np.ndarray, *, released: bool = False) -> np.ndarray:
    """Return a mutant uint8 of the image uint8 [C, H, W]; it may equal the image (a window of 1, no value changed).

    Levels are rounded and clipped. The authors' code (`released`) truncates the fraction, which makes noise darken the
    image, and lets levels above 255 wrap around to black.
    """
    levels = _BY_NAME[name].mutate(rng, pixels)
    if released:
        return (levels.astype(np.int64) & 255).astype(np.uint8)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _odd(rng: np.random.Generator) -> int:
    """Return 1, 3, 5 or 7."""
    return 2 * int(rng.integers(0, 4)) + 1

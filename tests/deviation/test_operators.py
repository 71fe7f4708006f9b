"""Operators, blurs and likeness against slow, obvious references."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from hubslice.deviation.image.blurs import average_blur, gaussian_blur, median_blur
from hubslice.deviation.image.likeness import Bound, Likeness
from hubslice.deviation.image.operators import NAMES, OPERATORS, mutate

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (2, 9, 11)).astype(np.uint8)


def mirrored(at: int, side: int) -> int:
    """Index behind the border, mirrored without repeating the edge."""
    if at < 0:
        return -at
    return 2 * (side - 1) - at if at >= side else at


def windowed(pixels: np.ndarray, size: int, take: object, border: object) -> np.ndarray:
    found = np.zeros(pixels.shape)
    channels, height, width = pixels.shape
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                window = [
                    [
                        float(pixels[c, border(y + dy - size // 2, height), border(x + dx - size // 2, width)])
                        for dx in range(size)
                    ]
                    for dy in range(size)
                ]
                found[c, y, x] = take(window)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_average_blur(size: int) -> None:
    expected = windowed(IMAGE, size, lambda window: sum(map(sum, window)) / size**2, mirrored)
    np.testing.assert_allclose(average_blur(IMAGE, size), expected)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_gaussian_blur(size: int) -> None:
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8

    def take(window: list[list[float]]) -> float:
        total = weights = 0.0
        for dy, row in enumerate(window):
            for dx, value in enumerate(row):
                weight = math.exp(-((dy - size // 2) ** 2 + (dx - size // 2) ** 2) / (2 * sigma**2))
                total, weights = total + weight * value, weights + weight
        return total / weights

    np.testing.assert_allclose(gaussian_blur(IMAGE, size), windowed(IMAGE, size, take, mirrored))


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_median_blur(size: int) -> None:
    expected = windowed(
        IMAGE,
        size,
        lambda window: statistics.median(value for row in window for value in row),
        lambda at, side: min(max(at, 0), side - 1),
    )
    np.testing.assert_array_equal(median_blur(IMAGE, size), expected)


def test_blurs_of_images_smaller_than_the_window() -> None:
    one = np.full((3, 1, 2), 7, np.uint8)
    for blurred in (average_blur(one, 5), gaussian_blur(one, 7), median_blur(one, 7)):
        np.testing.assert_allclose(blurred, one)


@pytest.mark.parametrize("name", NAMES)
def test_mutants_are_images_and_seeded(name: str) -> None:
    for shape in ((3, 16, 16), (1, 28, 28), (4, 5, 3)):
        for level in (0, 255, None):
            image = RNG.integers(0, 256, shape) if level is None else np.full(shape, level)
            image = image.astype(np.uint8)
            before = image.copy()
            one, two = (mutate(name, np.random.default_rng(3), image) for _ in range(2))
            assert (one.dtype, one.shape) == (np.uint8, shape)
            np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(image, before)


def test_there_are_seven_and_each_changes_images() -> None:
    assert len(set(NAMES)) == len(OPERATORS) == 7
    rng = np.random.default_rng(1)
    for name in NAMES:
        assert any((mutate(name, rng, IMAGE) != IMAGE).any() for _ in range(10)), name


def test_noise_brightens_as_often_as_it_darkens() -> None:
    grey = np.full((3, 100, 100), 100, np.uint8)
    change = mutate("gaussian_noise", np.random.default_rng(0), grey).astype(int) - 100
    assert abs(change.mean()) < 0.01
    assert 0.04 < (change > 0).mean() < 0.08  # P(N(0, 0.1) > 0.5) = 0.057
    released = mutate("gaussian_noise", np.random.default_rng(0), grey, released=True).astype(int) - 100
    assert 0.48 < (released < 0).mean() < 0.52
    assert (released > 0).mean() < 0.002


def test_light_values_do_not_wrap_around() -> None:
    white = np.full((1, 20, 20), 250, np.uint8)
    lighter = [mutate("multiplicative_noise", np.random.default_rng(at), white) for at in range(40)]
    released = [mutate("multiplicative_noise", np.random.default_rng(at), white, released=True) for at in range(40)]
    assert any(found.mean() > 252 for found in lighter)
    for right, wrapped in zip(lighter, released, strict=True):
        means = float(right.mean()), float(wrapped.mean())
        assert means[0] >= means[1] - 1
    assert any(wrapped.mean() < right.mean() - 50 for right, wrapped in zip(lighter, released, strict=True))


def test_ranges_of_the_sparse_operators() -> None:
    grey = np.full((3, 30, 30), 100, np.uint8)
    changed = set()
    for at in range(200):
        spots = mutate("salt_and_pepper", np.random.default_rng(at), grey)
        assert set(np.unique(spots)) == {0, 100, 255}
        assert 9 <= (spots != 100).sum() <= 12  # 0.004 of 2700 values, 6 of either kind, a few twice
        changed.add(int((mutate("random_change", np.random.default_rng(at), grey) != grey).sum()))
    assert changed == set(range(10))


def slow_ssim(one: np.ndarray, two: np.ndarray, size: int) -> float:
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for c in range(one.shape[0]):
        for y in range(one.shape[1] - size + 1):
            for x in range(one.shape[2] - size + 1):
                a, b = (image[c, y : y + size, x : x + size].astype(float).ravel() for image in (one, two))
                covariance = np.cov(a, b)
                light = (2 * a.mean() * b.mean() + c1) / (a.mean() ** 2 + b.mean() ** 2 + c1)
                values.append(light * (2 * covariance[0, 1] + c2) / (covariance[0, 0] + covariance[1, 1] + c2))
    return float(np.mean(values))


@pytest.mark.parametrize("shape", [(1, 7, 7), (3, 12, 9), (2, 4, 20)])
def test_structural_similarity(shape: tuple[int, int, int]) -> None:
    one = RNG.integers(0, 256, shape).astype(np.uint8)
    near = np.clip(one + RNG.normal(0, 10, shape), 0, 255).astype(np.uint8)
    for other in (one, near, 255 - one, np.zeros(shape, np.uint8)):
        assert Likeness(one).ssim(other) == pytest.approx(slow_ssim(one, other, min(7, *shape[1:])), abs=1e-9)
    assert Likeness(one).ssim(one) == pytest.approx(1)


@pytest.mark.slow
def test_bounds_are_kept() -> None:
    rng = np.random.default_rng(2)
    seed = rng.integers(0, 256, (3, 12, 12)).astype(np.uint8)
    near, alike, both = Bound(seed, 8, None), Bound(seed, None, 0.9), Bound(seed, 8, 0.95)
    halved = 0
    for name in NAMES:
        for _ in range(20):
            mutant = mutate(name, rng, seed)
            clipped = near.nearest(mutant)
            assert clipped is not None
            np.testing.assert_array_equal(
                clipped, np.clip(mutant, np.maximum(seed, 8) - 8, np.minimum(seed.astype(int) + 8, 255))
            )
            for bound, least in ((alike, 0.9), (both, 0.95)):
                found = bound.nearest(mutant)
                if found is not None:
                    assert bound.holds(found)
                    assert slow_ssim(seed, found, 7) >= least - 1e-9
                    halved += not np.array_equal(found, mutant)
            found = both.nearest(mutant)
            assert found is None or np.abs(found.astype(int) - seed).max() <= 8
    assert halved > 20
    assert not near.holds(np.where(seed > 127, seed - 9, seed + 9).astype(np.uint8))

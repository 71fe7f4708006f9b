"""Three per-channel blurs with OpenCV's definitions."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter


def average_blur(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return the mean over size x size windows, float64 like [C, H, W]; the border is reflected without its edge."""
    return _separable(pixels, np.full(size, 1 / size))


def gaussian_blur(pixels: np.ndarray, size: int) -> np.ndarray:
    """Apply a Gaussian over size x size windows, size odd, with OpenCV's standard deviation for that size."""
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    offsets = np.arange(size) - size // 2
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    return _separable(pixels, kernel / kernel.sum())


def median_blur(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return the median over size x size windows, size odd, uint8 like `pixels` [C, H, W]; the border is repeated."""
    median = ImageFilter.MedianFilter(size)
    return np.stack([np.asarray(Image.fromarray(channel).filter(median)) for channel in pixels])


def _separable(pixels: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Filter both axes of [C, H, W] with `kernel`, whose centre is the element size // 2."""
    found = pixels.astype(np.float64)
    before, after = len(kernel) // 2, len(kernel) - 1 - len(kernel) // 2
    for axis in (1, 2):
        side = found.shape[axis]
        # An image narrower than the window cannot be reflected: its edge is repeated.
        mode = "reflect" if side > before else "edge"
        padded = np.pad(found, [(before, after) if at == axis else (0, 0) for at in range(3)], mode=mode)  # type: ignore[call-overload]
        found = sum(
            weight * np.take(padded, range(start, start + side), axis=axis) for start, weight in enumerate(kernel)
        )
    return found

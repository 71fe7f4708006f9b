"""Limit and measure how much a mutant differs from its seed."""

from __future__ import annotations

import numpy as np

WINDOW = 7  # side of the compared windows
STABILISERS = (0.01, 0.03)
HALVINGS = 4  # of a change that is too large


class Likeness:
    """Structural similarity to one image (Wang et al. 2004): mean over 7 x 7 windows and channels, 1 for itself."""

    def __init__(self, seed: np.ndarray) -> None:
        self.seed = seed.astype(np.int64)
        self.window = min(WINDOW, *seed.shape[1:])
        self.count = self.window**2
        self.mean = self._sums(self.seed) / self.count
        self.square = self._sums(self.seed**2) / self.count

    def ssim(self, pixels: np.ndarray) -> float:
        """Return the similarity of pixels uint8 [C, H, W]."""
        other = pixels.astype(np.int64)
        mean = self._sums(other) / self.count
        # Unbiased, as in scikit-image; a window of one value has no variance.
        unbiased = self.count / max(self.count - 1, 1)
        variance = unbiased * (self._sums(other**2) / self.count - mean**2 + self.square - self.mean**2)
        covariance = unbiased * (self._sums(other * self.seed) / self.count - mean * self.mean)
        one, two = ((255 * factor) ** 2 for factor in STABILISERS)
        light = (2 * mean * self.mean + one) / (mean**2 + self.mean**2 + one)
        return float((light * (2 * covariance + two) / (variance + two)).mean())

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """Return sums over all windows inside [C, H, W]: exact, since the values are integers."""
        for axis in (1, 2):
            padding = [(1, 0) if at == axis else (0, 0) for at in range(3)]
            total = np.pad(values.cumsum(axis=axis), padding)
            last = total.shape[axis]
            values = np.take(total, range(self.window, last), axis) - np.take(total, range(last - self.window), axis)
        return values


class Bound:
    """Bounds of a mutant: within `levels` of the seed in every value, and with at least `min_ssim` similarity."""

    def __init__(self, seed: np.ndarray, levels: int | None, min_ssim: float | None) -> None:
        self.seed = seed.astype(np.int16)
        self.levels = levels
        self.min_ssim = min_ssim
        self.likeness = Likeness(seed) if min_ssim is not None else None

    def holds(self, pixels: np.ndarray) -> bool:
        """Return whether the image uint8 [C, H, W] is within both bounds."""
        if self.levels is not None and np.abs(pixels - self.seed).max() > self.levels:
            return False
        return self.likeness is None or self.min_ssim is None or self.likeness.ssim(pixels) >= self.min_ssim

    def nearest(self, pixels: np.ndarray) -> np.ndarray | None:
        """Clip the image's values to the bound, and halve its difference to the seed until it is similar enough.

        None if even an eighth of the difference is too much.
        """
        if self.levels is None and self.likeness is None:
            return pixels
        found = pixels
        if self.levels is not None:
            found = np.clip(found, self.seed - self.levels, self.seed + self.levels).astype(np.uint8)
        change = found - self.seed
        for halving in range(HALVINGS):
            if self.likeness is None or self.holds(found):
                return found
            found = (self.seed + np.rint(change / 2.0 ** (halving + 1))).astype(np.uint8)
        return None

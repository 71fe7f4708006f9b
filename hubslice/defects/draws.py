"""Seeded random bytes that are identical on all platforms, devices, batch sizes and library versions."""

from __future__ import annotations

from math import prod
from typing import Final

import numpy as np
import torch
from torch import Tensor

START: Final = 1  # the purpose of a draw: two purposes never share a stream
NOISE: Final = 2
PATCH: Final = 3


def random_bytes(shape: tuple[int, ...], *entropy: int) -> Tensor:
    """Return uniform bytes, uint8 of `shape`, determined by the non-negative integers in `entropy`.

    They are the raw 64-bit words of PCG64 in little-endian order: NumPy guarantees that stream permanently, while the
    distributions that its Generator draws from it may change between versions.
    """
    size = prod(shape)
    words = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(-(-size // 8))
    values = np.frombuffer(words.astype("<u8").tobytes(), dtype=np.uint8)[:size]
    return torch.from_numpy(values.copy()).reshape(shape)


def image_bytes(images: tuple[int, ...], shape: tuple[int, ...], seed: int, purpose: int) -> Tensor:
    """Return uniform bytes, uint8 [len(images), *shape]; those of an image do not depend on its batch."""
    return torch.stack([random_bytes(shape, seed, purpose, image) for image in images])

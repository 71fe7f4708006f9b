"""Divide seeds into those for training and those held out."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Hashable, Sequence

import numpy as np


def fingerprint(image: np.ndarray) -> str:
    """Return a hash of the content of an image uint8 [C, H, W]."""
    return hashlib.sha256(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def to_train_on(images: Sequence[np.ndarray], groups: Sequence[Hashable], share: float, seed: int) -> np.ndarray:
    """Return which images uint8 [C, H, W] to train on, bool [n]: about `share` of each group.

    The choice depends on the seed and an image's content, so that duplicates are on the same side and the order does
    not matter. Of two or more in a group at least one is on either side; a single one is held out.
    """
    hashes = [fingerprint(image) for image in images]
    chosen: set[str] = set()
    for group in dict.fromkeys(groups):
        own = {name for name, other in zip(hashes, groups, strict=True) if other == group}
        chosen |= _drawn(own, share, seed)
    return np.array([name in chosen for name in hashes], dtype=bool)


def _drawn(names: Collection[str], share: float, seed: int) -> set[str]:
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    return set(order[: min(max(round(share * len(order)), 1), len(order) - 1)])

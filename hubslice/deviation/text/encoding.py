"""Texts as arrays, which a search tells apart and keeps as it does images."""

from __future__ import annotations

import numpy as np


def encode(text: str) -> np.ndarray:
    """The text's code points, uint32 [characters]."""
    return np.frombuffer(text.encode("utf-32-le"), np.dtype("<u4"))


def decode(points: np.ndarray) -> str:
    """The text of code points."""
    return points.astype("<u4").tobytes().decode("utf-32-le")

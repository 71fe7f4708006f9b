"""Encode texts as arrays, so that a search can compare and store them like images."""

from __future__ import annotations

import numpy as np


def encode(text: str) -> np.ndarray:
    """Return the text's code points, uint32 [characters]."""
    return np.frombuffer(text.encode("utf-32-le"), np.dtype("<u4"))


def decode(points: np.ndarray) -> str:
    """Return the text of code points."""
    return points.astype("<u4").tobytes().decode("utf-32-le")

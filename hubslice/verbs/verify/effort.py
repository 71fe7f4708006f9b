"""How much of a student is evaluated again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubslice.core.sampling import drawn

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Effort:
    """How much to evaluate again: `sample` images of each kind, or all images and all available arms (`full`)."""

    sample: int
    full: bool
    data: Path | None
    device: torch.device

    def choose(self, count: int, seed: int) -> np.ndarray:
        """Return the images to evaluate among `count`, int64, ascending."""
        if self.full or count <= self.sample:
            return np.arange(count)
        return drawn(count, self.sample, seed)

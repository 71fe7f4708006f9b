"""How much of a student is judged again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Effort:
    """How much to judge again: `sample` images of each kind, or all and every arm that is there (`full`)."""

    sample: int
    full: bool
    data: Path | None
    device: torch.device

    def choose(self, count: int, seed: int) -> np.ndarray:
        """The images to judge among `count`, int64, ascending."""
        if self.full or count <= self.sample:
            return np.arange(count)
        return np.sort(np.random.default_rng(seed).permutation(count)[: self.sample])

"""In-memory samples for profiling tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.graph.architectures import Exported


class Samples:
    """The first `n` of the case's example inputs; remembers which were asked for."""

    def __init__(self, case: Exported, n: int, fingerprint: str = "samples") -> None:
        self.arrays = {name: tensor.numpy() for name, tensor in case.inputs(n).items()}
        self.n = n
        self.fingerprint = fingerprint
        self.asked: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return self.n

    def batch(self, start: int, stop: int) -> Mapping[str, np.ndarray]:
        self.asked.append((start, stop))
        return {name: array[start:stop] for name, array in self.arrays.items()}

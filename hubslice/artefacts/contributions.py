"""Contributions of single weights to the predictions on many samples, by which NNSlicer ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubslice.artefacts.dynamic_slice import narrowed
from hubslice.core.paths import AnyPath
from hubslice.files.sealed import read_sealed, write_sealed

KIND = "contributions"


@dataclass(frozen=True)
class Contributions:
    """Non-negative integers by parameter, in its shape: |CONTRIB| of each weight on a sample, summed over samples.

    `about` is plain data: the hash of the folded graph, the selection, and the source of the means.
    """

    weights: Mapping[str, np.ndarray]
    samples: int
    about: Mapping[str, object]

    def save(self, path: AnyPath) -> None:
        """Write as safetensors."""
        tensors = {name: narrowed(array) for name, array in self.weights.items()}
        write_sealed(path, KIND, {"samples": self.samples, **self.about}, tensors)

    @classmethod
    def load(cls, path: AnyPath) -> Contributions:
        """Read a file that `save` wrote.

        Raises:
            RunError: the file is missing, damaged or of another kind.
        """
        return read_sealed(path, KIND, cls._of)

    @classmethod
    def _of(cls, about: dict[str, Any], weights: dict[str, np.ndarray]) -> Contributions:
        return cls(weights, about.pop("samples"), about)

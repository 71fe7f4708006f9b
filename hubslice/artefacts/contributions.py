"""Contributions of single weights to the decisions on many samples: what NNSlicer ranks by."""

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
    """By parameter, in its shape, integers of 0 or more: |CONTRIB| of each weight on a sample, summed over the samples.

    `about` is plain data: the hash of the folded graph, the selection, what the means are of.
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
        """Read what `save` wrote.

        Raises:
            RunError: the file is missing, damaged or something else.
        """
        return read_sealed(path, KIND, cls._of)

    @classmethod
    def _of(cls, about: dict[str, Any], weights: dict[str, np.ndarray]) -> Contributions:
        return cls(weights, about.pop("samples"), about)

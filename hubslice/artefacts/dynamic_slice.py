"""A dynamic slice: the contribution of each neuron and synapse to the predictions for given inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubslice.core.paths import AnyPath
from hubslice.files.sealed import read_sealed, write_sealed

KIND = "dynamic-slice"


@dataclass(frozen=True)
class DynamicSlice:
    """Signed contributions (NNSlicer's CONTRIB): positive if a deviation from the mean supports the target.

    `neurons` are int32 [N, C] by layer, one row per input, summed over positions. `synapses` are integers in the shape
    of the parameter, by its name, summed over positions and inputs; int32 if these suffice, else int64. `inputs` are
    int32 [N, ...] by the graph's input (or embedding): one for each pixel. `about` is plain data: model, targets,
    selection and profile.
    """

    neurons: Mapping[str, np.ndarray]
    synapses: Mapping[str, np.ndarray]
    inputs: Mapping[str, np.ndarray]
    about: Mapping[str, object]

    def save(self, path: AnyPath) -> None:
        """Write one safetensors file with tensors `neurons/NAME`, `synapses/NAME` and `inputs/NAME`."""
        tensors = {
            f"{part}/{name}": narrowed(array)
            for part in ("neurons", "synapses", "inputs")
            for name, array in getattr(self, part).items()
        }
        write_sealed(path, KIND, self.about, tensors)

    @classmethod
    def load(cls, path: AnyPath) -> DynamicSlice:
        """Read a file that `save` wrote.

        Raises:
            RunError: the file is missing, damaged or not a dynamic slice.
        """
        return read_sealed(path, KIND, cls._of)

    @classmethod
    def _of(cls, about: dict[str, Any], tensors: dict[str, np.ndarray]) -> DynamicSlice:
        parts: dict[str, dict[str, np.ndarray]] = {"neurons": {}, "synapses": {}, "inputs": {}}
        for name, array in tensors.items():
            part, _, own = name.partition("/")
            parts[part][own] = array
        return cls(**parts, about=about)


def narrowed(array: np.ndarray) -> np.ndarray:
    """Return integers as int32 if all of them fit."""
    fits = np.abs(array, dtype=np.int64).max(initial=0) <= np.iinfo(np.int32).max
    return np.ascontiguousarray(array, np.int32 if fits else np.int64)

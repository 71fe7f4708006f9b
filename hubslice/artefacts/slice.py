"""A slice: for each sliceable parameter, which of its weights are relevant to the task."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hubslice.core.paths import AnyPath
from hubslice.files.sealed import read_sealed, write_sealed

KIND = "slice"


@dataclass(frozen=True)
class Slice:
    """Boolean relevance masks by parameter name, and their origin.

    `masks[name]` has the shape of the parameter; True marks a relevant weight. Parameters that the slice does not name
    are entirely relevant. `method` is the slicer's name, `parameters` its settings, both as plain data. For a slice of
    whole channels, `whole` are the layers that cannot lose any, with the reason.
    """

    masks: Mapping[str, np.ndarray]
    method: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)

    @property
    def weights(self) -> int:
        """The number of weights that the slice has masks for."""
        return sum(mask.size for mask in self.masks.values())

    @property
    def kept(self) -> int:
        """The number of relevant weights among them."""
        return sum(int(np.count_nonzero(mask)) for mask in self.masks.values())

    @property
    def retention(self) -> float:
        """The relevant fraction of those weights; 1 for an empty slice."""
        return self.kept / self.weights if self.weights else 1.0

    def kept_uses(self, uses: Mapping[str, int]) -> float:
        """Return the relevant fraction of the multiplications with those weights; `uses` are counts by parameter."""
        counts = [(uses.get(name, 0), mask) for name, mask in self.masks.items()]
        whole = sum(times * mask.size for times, mask in counts)
        return sum(times * int(np.count_nonzero(mask)) for times, mask in counts) / whole if whole else 1.0

    def save(self, path: AnyPath) -> None:
        """Write bit-packed: per parameter a uint8 tensor [ceil(weights / 8)]; shapes and origin in the metadata."""
        about: dict[str, object] = {
            "method": self.method,
            "parameters": self.parameters,
            "shapes": {name: list(mask.shape) for name, mask in self.masks.items()},
        }
        if self.whole:
            about["whole"] = list(self.whole.items())  # in network order, which a JSON object would not keep
        write_sealed(path, KIND, about, {name: np.packbits(mask.reshape(-1)) for name, mask in self.masks.items()})

    @classmethod
    def load(cls, path: AnyPath) -> Slice:
        """Read a file that `save` wrote.

        Raises:
            RunError: the file is missing, damaged or not a slice.
        """
        return read_sealed(path, KIND, cls._of)

    @classmethod
    def _of(cls, about: dict[str, Any], packed: dict[str, np.ndarray]) -> Slice:
        masks = {name: _unpack(packed[name], shape) for name, shape in about["shapes"].items()}
        return cls(masks, about["method"], about["parameters"], dict(about.get("whole", ())))


def _unpack(packed: np.ndarray, shape: list[int]) -> np.ndarray:
    size = math.prod(shape)
    if packed.size != -(-size // 8):
        raise ValueError(f"{packed.size} bytes for a mask of shape {shape}")
    return np.unpackbits(packed, count=size).astype(bool).reshape(shape)

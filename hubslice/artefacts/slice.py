"""A slice: for each sliceable parameter, which of its weights are relevant to the task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from hubslice.artefacts.base import write_atomically
from hubslice.artefacts.header import sorted_header
from hubslice.errors import RunError

FORMAT = "hubslice-slice-1"


@dataclass(frozen=True)
class Slice:
    """Boolean relevance masks by parameter name, and who computed them.

    `masks[name]` has the shape of the parameter; True marks a relevant weight. Parameters that the slice does not name
    are relevant as a whole. `method` is the slicer's name, `parameters` its settings, both as plain data.
    """

    masks: Mapping[str, np.ndarray]
    method: str
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def weights(self) -> int:
        """Number of weights that the slice judges."""
        return sum(mask.size for mask in self.masks.values())

    @property
    def kept(self) -> int:
        """Number of relevant weights among them."""
        return sum(int(np.count_nonzero(mask)) for mask in self.masks.values())

    @property
    def retention(self) -> float:
        """Relevant fraction of the judged weights; 1 for an empty slice."""
        return self.kept / self.weights if self.weights else 1.0

    def save(self, path: Path) -> None:
        """Write bit-packed: per parameter a uint8 tensor [ceil(weights / 8)]; shapes and origin in the metadata."""
        about = {
            "method": self.method,
            "parameters": self.parameters,
            "shapes": {name: list(mask.shape) for name, mask in self.masks.items()},
        }
        packed = {name: np.packbits(mask.reshape(-1)) for name, mask in self.masks.items()}
        write_atomically(
            path,
            sorted_header(to_safetensors(packed, metadata={"format": FORMAT, "slice": json.dumps(about)})),
        )

    @classmethod
    def load(cls, path: Path) -> Slice:
        """Read what `save` wrote.

        Raises:
            RunError: the file is missing, damaged or not a slice.
        """
        try:
            with safe_open(path, framework="np") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise RunError(f"{path} is a safetensors file but not a slice of this version")
                about = json.loads(metadata["slice"])
                masks = {name: _unpack(file.get_tensor(name), shape) for name, shape in about["shapes"].items()}
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise RunError(f"{path} cannot be read as a slice: {error}", hint="run `hubslice slice` again") from error
        return cls(masks, about["method"], about["parameters"])


def _unpack(packed: np.ndarray, shape: list[int]) -> np.ndarray:
    size = int(np.prod(shape, dtype=np.int64))
    if packed.size != -(-size // 8):
        raise ValueError(f"{packed.size} bytes for a mask of shape {shape}")
    return np.unpackbits(packed, count=size).astype(bool).reshape(shape)

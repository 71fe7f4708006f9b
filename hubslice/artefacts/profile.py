"""A profile: on how many samples of the task each neuron of the teacher was active."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from hubslice.artefacts.base import Artefact, write_atomically
from hubslice.artefacts.header import sorted_header
from hubslice.errors import RunError

FORMAT = "hubslice-profile-1"


class Criterion(Artefact):
    """When a channel counts as active on a sample (ReMoS, ICSE'22; `m` is the channel's mean over all positions).

    - nc: (m - lo) / (hi - lo) > `threshold`, with lo and hi the extremes of the whole layer on this sample;
    - tknc: m is among the layer's `k` largest, of equals the ones with the lower index;
    - snac: m > max - (max - min) / `k`, over the layer's channel means.
    """

    name: Literal["nc", "tknc", "snac"]
    threshold: float = 0.5
    k: int = Field(10, ge=1)

    def __str__(self) -> str:
        return f"nc > {self.threshold:g}" if self.name == "nc" else f"{self.name}, k = {self.k}"


# The settings of the ReMoS code.
NC = Criterion(name="nc", threshold=0.5)
TKNC = Criterion(name="tknc", k=10)
SNAC = Criterion(name="snac", k=2)


@dataclass(frozen=True)
class Profile:
    """Coverage counts, int64 [C], by `TensorRef.key` (the name of the activation tensor in the graph).

    `model` is the SHA-256 of the graph, `data` the fingerprint of the samples, `provider` the ONNX Runtime execution
    provider that measured them.
    """

    counts: Mapping[str, np.ndarray]
    samples: int
    criterion: Criterion
    provider: str
    model: str
    data: str

    @property
    def neurons(self) -> int:
        """Number of profiled channels, over all distinct tensors."""
        return sum(count.size for count in self.counts.values())

    def save(self, path: Path) -> None:
        """Write the counts as safetensors; the rest in the metadata."""
        about = {
            "samples": self.samples,
            "criterion": self.criterion.model_dump(),
            "provider": self.provider,
            "model": self.model,
            "data": self.data,
        }
        metadata = {"format": FORMAT, "profile": json.dumps(about, sort_keys=True)}
        write_atomically(path, sorted_header(to_safetensors(dict(self.counts), metadata=metadata)))

    @classmethod
    def load(cls, path: Path) -> Profile:
        """Read what `save` wrote.

        Raises:
            RunError: the file is missing, damaged or not a profile.
        """
        try:
            with safe_open(path, framework="np") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise RunError(f"{path} is a safetensors file but not a profile of this version")
                about = json.loads(metadata["profile"])
                counts = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            criterion = Criterion.model_validate(about.pop("criterion"))
            return cls(counts=counts, criterion=criterion, **about)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path} cannot be read as a profile: {error}", hint="run the profiling again") from error

"""A profile: the number of the task's samples on which each neuron of the teacher was active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from hubslice.core.artefact import Artefact
from hubslice.core.paths import AnyPath
from hubslice.files.sealed import read_sealed, write_sealed

KIND = "profile"


class Criterion(Artefact):
    """The condition for a channel to be active on a sample (ReMoS, ICSE'22; `m` is its mean over all positions).

    - nc: (m - lo) / (hi - lo) > `threshold`, with lo and hi the extremes of the whole layer on this sample;
    - tknc: m is among the layer's `k` largest, ties go to the lower index;
    - snac: m > max - (max - min) / `k`, over the layer's channel means.
    """

    name: Literal["nc", "tknc", "snac"]
    threshold: float = 0.5
    k: int = Field(10, ge=1)

    def __str__(self) -> str:
        return f"nc > {self.threshold:g}" if self.name == "nc" else f"{self.name}, k = {self.k}"


# The defaults of the ReMoS code.
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
        """The number of profiled channels, over all distinct tensors."""
        return sum(count.size for count in self.counts.values())

    def save(self, path: AnyPath) -> None:
        """Write the counts as safetensors, with the rest in the metadata."""
        about = {
            "samples": self.samples,
            "criterion": self.criterion.model_dump(),
            "provider": self.provider,
            "model": self.model,
            "data": self.data,
        }
        write_sealed(path, KIND, about, self.counts)

    @classmethod
    def load(cls, path: AnyPath) -> Profile:
        """Read a file that `save` wrote.

        Raises:
            RunError: the file is missing, damaged or not a profile.
        """
        return read_sealed(path, KIND, cls._of)

    @classmethod
    def _of(cls, about: dict[str, Any], counts: dict[str, np.ndarray]) -> Profile:
        return cls(counts=counts, criterion=Criterion.model_validate(about.pop("criterion")), **about)

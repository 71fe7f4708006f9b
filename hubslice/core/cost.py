"""What a piece of work costs, and what that follows from; methods, defects and steps say it of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SMALL_FILE: Final = 1_000  # bytes of a step's JSON


@dataclass(frozen=True)
class Cost:
    """Seconds; bytes that stay; bytes that are needed besides while the step runs."""

    seconds: float
    kept: int
    scratch: int = 0


@dataclass
class UnitCosts:
    """Seconds and bytes of the parts that steps are made of, on this machine.

    `loading` a saved model; `building` the architecture anew; `keeping` a byte of a step's output: writing and hashing;
    `exporting` with parity and map; profiling, tracing and training: their start, then each image; `first_training`
    what the first training of a process takes besides; `decoding` and `passing` forward an image; `checkpoint` once an
    epoch; `crafting` an image for one gradient step. `sizes` in bytes by kind of step, and of a checkpoint.
    """

    building: float = 0.0
    loading: float = 0.0
    keeping: float = 0.0
    exporting: float = 0.0
    profiling_start: float = 0.0
    profiling: float = 0.0
    tracing_start: float = 0.0
    tracing: float = 0.0
    slicing: float = 0.0
    decoding: float = 0.0
    passing: float = 0.0
    first_training: float = 0.0
    training_start: float = 0.0
    training: float = 0.0
    checkpoint: float = 0.0
    crafting: float = 0.0
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def judging(self) -> float:
        """Seconds of reading an image and passing it forward."""
        return self.decoding + self.passing


@dataclass(frozen=True)
class Workload:
    """What costs are computed from: those of the parts, and how much of everything there is.

    `samples` by split, `classes` the training samples of each class; `image` the bytes of an image as the teacher takes
    it; `weights` those that may be sliced. By the step that pulls a model: the bytes of its `files`, and those of them
    that are to be downloaded (`missing`). `looking` are the seconds that a first look took, at each model to pull and
    at the data: pulling and opening begin with the same work.
    """

    units: UnitCosts
    samples: Mapping[str, int]
    classes: tuple[int, ...]
    image: int
    weights: int
    files: Mapping[str, int]
    missing: Mapping[str, int]
    looking: Mapping[str, float]

    def count(self, split: str, most: int | None = None) -> int:
        """Samples of a split, and no more than `most`."""
        count = self.samples[split]
        return count if most is None else min(count, most)

"""Cost estimates of work: their result, and the measurements they use. Methods, defects and steps implement them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SMALL_FILE: Final = 1_000  # bytes of a step's JSON files


@dataclass(frozen=True)
class Cost:
    """Seconds, bytes that stay on disk, and extra bytes needed only while the step runs."""

    seconds: float
    kept: int
    scratch: int = 0


@dataclass
class UnitCosts:
    """Measured seconds and bytes of the operations that steps consist of, on this machine.

    `loading` is for a saved model; `building` for its architecture, without loading weights; `keeping` for a byte of a
    step's output (written and hashed); `exporting` includes the parity check and the map; profiling, tracing and
    training have a fixed start and a cost per image; `first_training` is the extra cost of a process's first training;
    `decoding` and `passing` (forward) are per image; `checkpoint` is per epoch; `crafting` is for one image and one
    gradient step. `sizes` are in bytes, by kind of step, and of a checkpoint.
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
        """Seconds to read an image and run it forward."""
        return self.decoding + self.passing


@dataclass(frozen=True)
class Workload:
    """Input of a cost estimate: the unit costs, and the amounts of everything they apply to.

    `samples` are counted by split, `classes` holds the training samples of each class; `image` is the bytes of an image
    as the teacher takes it; `weights` counts those that may be sliced. For each step that pulls a model, `files` is the
    bytes of its files and `missing` the bytes still to be downloaded. `looking` is the seconds that a first inspection
    of each model to pull and of the data took: pulling and opening start with the same work.
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
        """Return the number of samples in a split, at most `most`."""
        count = self.samples[split]
        return count if most is None else min(count, most)

"""What a profiler saw of one inference, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubslice.artefacts.execution import Settings


@dataclass(frozen=True)
class Trace:
    """The operators of one inference in the order in which they began: their names, and nanoseconds uint32 [events]."""

    names: tuple[str, ...]
    durations: np.ndarray

    def __post_init__(self) -> None:
        if len(self.names) != len(self.durations):
            raise ValueError(f"{len(self.names)} names and {len(self.durations)} durations")

    @property
    def total(self) -> int:
        """Nanoseconds within operators."""
        return int(self.durations.sum(dtype=np.int64))


@dataclass(frozen=True)
class Pattern:
    """Repeated inferences of a model on a stack, in the order in which they were recorded."""

    model: str
    architecture: str
    stack: str
    settings: Settings
    traces: tuple[Trace, ...]

    @property
    def typical(self) -> Trace:
        """The recorded inference of median duration."""
        ordered = sorted(self.traces, key=lambda trace: trace.total)
        return ordered[len(ordered) // 2]

"""The recorded operators of an inference, and patterns of repeated inferences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hubslice.verbs.execution.facts import Settings


@dataclass(frozen=True)
class Trace:
    """The operators of one inference by start time: their names, and nanoseconds uint32 [events]."""

    names: tuple[str, ...]
    durations: np.ndarray

    def __post_init__(self) -> None:
        if len(self.names) != len(self.durations):
            raise ValueError(f"{len(self.names)} names and {len(self.durations)} durations")

    @property
    def total(self) -> int:
        """Total nanoseconds within operators."""
        return int(self.durations.sum(dtype=np.int64))


@dataclass(frozen=True)
class Pattern:
    """Repeated inferences of a model on a stack, in recording order."""

    model: str
    architecture: str
    stack: str
    settings: Settings
    traces: tuple[Trace, ...]

    @property
    def typical(self) -> Trace:
        """The median of the runs; see `combined`."""
        return combined(self.traces)


def combined(traces: Sequence[Trace]) -> Trace:
    """Return the order of events of most runs, and for each event the median duration over these.

    A run that was interrupted for a moment has one event that is far too long, a different one in each run.
    """
    names, _ = Counter(trace.names for trace in traces).most_common(1)[0]
    alike = [trace.durations for trace in traces if trace.names == names]
    return Trace(names, np.median(alike, axis=0).round().astype(np.uint32))

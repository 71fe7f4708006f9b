"""Execution patterns made of random numbers, for tests of what is made of them."""

from __future__ import annotations

import numpy as np

from hubslice.verbs.execution.facts import Settings, Site
from hubslice.verbs.execution.trace import Pattern, Trace

SETTINGS = Settings(inputs={"x": (1, 3, 8, 8)}, threads=1, device="cpu")
SITE = Site(processor="a fast one", cores=2, software={"torch": "2.14"})


def pattern(seed: int, events: int = 40, runs: int = 6, noise: float = 0.15, session: int = 0) -> Pattern:
    """Durations that follow from the seed, times noise that follows from the session; three operators in turn."""
    rng = np.random.default_rng(seed)
    durations = np.exp(rng.normal(10, 1.5, events))
    names = tuple(str(rng.choice(["conv", "norm", "relu"])) for _ in range(events))
    noisy = np.random.default_rng((seed, session))
    traces = [durations * np.exp(noisy.normal(0, noise, events)) for _ in range(runs)]
    return Pattern(
        f"lab/p{seed}", f"net{seed}", "eager", SETTINGS, tuple(Trace(names, _whole(trace)) for trace in traces)
    )


def renamed(trace: Trace, name: str = "unknown") -> Trace:
    """The same durations under one name."""
    return Trace((name,) * len(trace.names), trace.durations)


def times(trace: Trace, factor: float) -> Trace:
    """The same on another processor."""
    return Trace(trace.names, _whole(trace.durations * factor))


def _whole(durations: np.ndarray) -> np.ndarray:
    return durations.round().astype(np.uint32)

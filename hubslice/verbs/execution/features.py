"""Features of traces, in blocks with equal weight whatever their number of values.

"Revealing Secrets From Pre-trained Models" (2207.09539) shows timelines of kernels and, as far as is known, uses a
network to classify them. Here a few simple statistics suffice, which need only a handful of recorded runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np

from hubslice.verbs.execution.facts import Sight
from hubslice.verbs.execution.trace import Trace

CURVE: Final = 32
RHYTHM: Final = 64
QUANTILES: Final = np.linspace(0.1, 0.9, 9)
# Minimum deviations that count as noise even if repeated runs differ less. Logarithms are to base 2.
FLOORS: Final[Mapping[str, float]] = {
    "count": 0.02,  # log of the number of events
    "level": 0.25,  # median of the log durations
    "curve": 0.03,  # share of the elapsed time, at even steps through the events
    "rhythm": 0.2,  # log durations relative to their median, at even steps through the events
    "quantiles": 0.15,  # log durations relative to their median
    "pairs": 0.05,  # share of neighbouring names that two traces do not have in common
    "shares": 0.05,  # share of the time spent in different names
}
BLOCKS: Final[Mapping[Sight, tuple[str, ...]]] = {
    "durations": ("count", "level", "curve", "rhythm", "quantiles"),
    "names": tuple(FLOORS),
}

Blocks = dict[str, np.ndarray]


def timing(trace: Trace) -> Blocks:
    """Return the features of durations alone, a vector for each block."""
    spent = np.maximum(trace.durations.astype(float), 1.0)
    logs = np.log2(spent)
    over = np.concatenate([[0.0], np.cumsum(spent) / spent.sum()])
    return {
        "count": np.array([np.log2(len(spent))]),
        "level": np.array([np.median(logs)]),
        "curve": np.interp(np.linspace(0, 1, CURVE + 1)[1:-1], np.linspace(0, 1, len(over)), over),
        "rhythm": _resampled(logs - np.median(logs), RHYTHM),
        "quantiles": np.quantile(logs, QUANTILES) - np.median(logs),
    }


def pairs(trace: Trace) -> Counter[tuple[str, str]]:
    """Count how often a name follows another; the first follows none."""
    return Counter(pairwise(("", *trace.names)))


def shares(trace: Trace) -> dict[str, float]:
    """Return each name's share of the time."""
    spent: Counter[str] = Counter()
    for name, duration in zip(trace.names, trace.durations, strict=True):
        spent[name] += int(duration)
    total = max(spent.total(), 1)
    return {name: each / total for name, each in spent.items()}


def unlike_pairs(one: Counter[tuple[str, str]], other: Counter[tuple[str, str]]) -> float:
    """Return the share of neighbouring names that two traces do not have in common: 0 for the same order, at most 1."""
    return 1 - (one & other).total() / max((one | other).total(), 1)


def unlike_shares(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the share of the time spent in different names: half the sum of the differences, 0 to 1."""
    names = dict.fromkeys([*one, *other])  # in a fixed order: floating point sums depend on it
    return sum(abs(one.get(name, 0) - other.get(name, 0)) for name in names) / 2


def _resampled(values: np.ndarray, count: int) -> np.ndarray:
    """Return means of `count` stretches of equal length, in which each value has the same width."""
    over = np.concatenate([[0.0], np.cumsum(values)])
    at = np.interp(np.linspace(0, len(values), count + 1), np.arange(len(over)), over)
    found: np.ndarray = np.diff(at) * count / len(values)
    return found

"""Timing several calls in alternation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

WARM_UP = 3  # calls of each before anything is timed
RUNS = 3  # timed calls in a row, after one that is not: caches are then the model's own
LEAST = 5  # rounds that are done however long they take
STEADY = 1.5  # seconds for each call that rounds go on for: many short ones, or a moment's load would decide
STRETCHES = 10


def alternate(
    calls: Sequence[Callable[[], object]], rounds: int, seconds: float, advance: Callable[[], None]
) -> np.ndarray:
    """Seconds of every timed call, float64 [rounds done, calls, RUNS].

    A round has a turn of every call, in one order and then in the other, so that a busy machine hits all alike. After
    so many `seconds` no further round is begun; quick calls get more `rounds`.
    """
    for call in calls:
        for _ in range(WARM_UP):
            call()
    order = list(range(len(calls)))
    started = time.perf_counter()
    found: list[list[list[float]]] = []
    while True:
        elapsed = time.perf_counter() - started
        wanted = len(found) < rounds or elapsed < STEADY * len(calls)
        if len(found) >= LEAST and not (wanted and elapsed < seconds):
            return np.array(found)
        turns = {index: _turn(calls[index]) for index in order}
        found.append([turns[index] for index in range(len(calls))])
        order.reverse()
        if len(found) <= rounds:
            advance()


def _turn(call: Callable[[], object]) -> list[float]:
    call()
    taken = []
    for _ in range(RUNS):
        before = time.perf_counter()
        call()
        taken.append(time.perf_counter() - before)
    return taken


def ratios(times: np.ndarray) -> np.ndarray:
    """Each call's time over the first one's, float64 [calls]: the median of that in stretches of consecutive rounds.

    Compared are the quickest runs of a stretch: what else the machine does makes a run slower, never quicker, and what
    it does for longer makes all runs of the stretch slower.
    """
    stretches = np.array_split(times, min(STRETCHES, len(times)))
    quickest = np.array([stretch.min(axis=(0, 2)) for stretch in stretches])
    medians: np.ndarray = np.median(quickest / quickest[:, :1], axis=0)
    return medians

"""Timing several calls in alternation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

WARM_UP = 3  # calls of each before anything is timed
RUNS = 3  # timed calls in a row, after one that is not: caches are then the model's own
LEAST = 5  # rounds that are done however long they take


def alternate(
    calls: Sequence[Callable[[], object]], rounds: int, seconds: float, advance: Callable[[], None]
) -> np.ndarray:
    """Seconds of every timed call, float64 [rounds done, calls, RUNS].

    A round has a turn of every call, in one order and then in the other, so that a busy machine hits all alike. After
    so many `seconds` no further round is begun.
    """
    for call in calls:
        for _ in range(WARM_UP):
            call()
    order = list(range(len(calls)))
    started = time.perf_counter()
    found: list[list[list[float]]] = []
    while len(found) < rounds and (len(found) < LEAST or time.perf_counter() - started < seconds):
        turns = {index: _turn(calls[index]) for index in order}
        found.append([turns[index] for index in range(len(calls))])
        order.reverse()
        advance()
    return np.array(found)


def _turn(call: Callable[[], object]) -> list[float]:
    call()
    taken = []
    for _ in range(RUNS):
        before = time.perf_counter()
        call()
        taken.append(time.perf_counter() - before)
    return taken


def ratios(times: np.ndarray) -> np.ndarray:
    """Each call's time over the first one's, float64 [calls]: the median over the rounds of that within a round."""
    within = np.median(times, axis=2)
    medians: np.ndarray = np.median(within / within[:, :1], axis=0)
    return medians

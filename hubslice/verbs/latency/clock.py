"""Time several calls in alternation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

WARM_UP = 3  # calls of each before timing starts
RUNS = 3  # consecutive timed calls, after an untimed one that fills the caches with the model's own data
LEAST = 5  # minimum number of rounds, however long they take
STEADY = 1.5  # minimum seconds of rounds for each call: with short calls, a moment's load would otherwise decide
STRETCHES = 10


def alternate(
    calls: Sequence[Callable[[], object]], rounds: int, seconds: float, advance: Callable[[], None]
) -> np.ndarray:
    """Return the seconds of every timed call, float64 [rounds done, calls, RUNS].

    A round has a turn of every call, alternating in order, so that load on the machine affects all alike. After
    `seconds` no further round is started; fast calls get more `rounds`.
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
    """Return each call's time relative to the first one's, float64 [calls]: the median over stretches of rounds.

    The fastest runs of a stretch are compared: other load on the machine makes a run slower, never faster, and longer
    load makes all runs of the stretch slower.
    """
    stretches = np.array_split(times, min(STRETCHES, len(times)))
    quickest = np.array([stretch.min(axis=(0, 2)) for stretch in stretches])
    medians: np.ndarray = np.median(quickest / quickest[:, :1], axis=0)
    return medians

"""Run many searches at once: one call of the models per round for all active seeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from hubslice.deviation.answers import Answers
from hubslice.deviation.outcome import Outcome, Search

Ask = Callable[[Sequence[np.ndarray]], list[Answers]]


@dataclass
class _Lane:
    number: int
    search: Search
    present: np.ndarray
    seconds: float = 0.0


def lockstep(
    searches: Iterable[Search], ask: Ask, lanes: int, progress: Callable[[int], None] = lambda queries: None
) -> Iterator[tuple[int, Outcome, float]]:
    """Run searches, at most `lanes` at a time; when one ends, the next takes its place.

    Yields the number of a search in order of `searches`, its outcome, and its share of the seconds of its rounds, as
    soon as it ends. `ask` returns both models' answers to at most `lanes` inputs; `progress` is called with the number
    of queries.
    """
    waiting = enumerate(searches)
    live: list[_Lane] = []
    while True:
        for number, search in islice(waiting, lanes - len(live)):
            live.append(_Lane(number, search, next(search)))
        if not live:
            return
        started = time.perf_counter()
        told = ask([lane.present for lane in live])
        progress(len(live))
        over: list[tuple[_Lane, Outcome]] = []
        for lane, answers in zip(live, told, strict=True):
            try:
                lane.present = lane.search.send(answers)
            except StopIteration as stopped:
                over.append((lane, stopped.value))
        share = (time.perf_counter() - started) / len(live)
        for lane in live:
            lane.seconds += share
        ended = {lane.number for lane, _ in over}
        live = [lane for lane in live if lane.number not in ended]
        for lane, outcome in over:
            yield lane.number, outcome, lane.seconds

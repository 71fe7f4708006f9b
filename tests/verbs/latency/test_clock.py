"""Turns and ratios, with a clock that only the calls move."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hubslice.verbs.latency import clock

pytestmark = pytest.mark.slow


class Machine:
    """Calls that take the seconds they say, on a machine that is `slow` times slower in every other round."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.slow, self.log = 0.0, 1.0, ""
        monkeypatch.setattr(clock.time, "perf_counter", lambda: self.now)

    def call(self, name: str, seconds: float) -> Callable[[], None]:
        def call() -> None:
            self.now += seconds * self.slow
            self.log += name

        return call


def test_turns_alternate_after_a_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    rounds = []
    times = clock.alternate([machine.call("a", 1), machine.call("b", 2)], 5, 1e9, lambda: rounds.append(1))
    turn = clock.RUNS + 1
    there, back = "a" * turn + "b" * turn, "b" * turn + "a" * turn
    assert machine.log == "aaabbb" + there + back + there + back + there
    assert len(rounds) == 5
    assert times.shape == (5, 2, clock.RUNS)
    assert times[:, 0].tolist() == [[1.0] * clock.RUNS] * 5
    assert times[:, 1].tolist() == [[2.0] * clock.RUNS] * 5


def test_a_machine_that_slows_down_moves_no_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)

    def busier() -> None:
        machine.slow *= 3

    times = clock.alternate([machine.call("a", 1), machine.call("b", 0.25)], 6, 1e9, busier)
    assert clock.ratios(times) == pytest.approx([1, 0.25])
    assert np.median(times[:, 0]) > 5


def test_quick_calls_get_more_rounds_and_long_ones_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    assert len(clock.alternate([machine.call("a", 0.01)], 5, 60, lambda: None)) in (37, 38)  # of 0.04 s in 1.5 s
    assert len(clock.alternate([machine.call("a", 100)], 50, 60, lambda: None)) == clock.LEAST
    assert 5 < len(clock.alternate([machine.call("a", 1)], 50, 40, lambda: None)) < 15


def test_what_disturbs_single_runs_moves_no_ratio() -> None:
    times = np.full((40, 2, clock.RUNS), 1.0)
    times[:, 1] = 2.0
    disturbed = times.copy()
    disturbed[::3, 1] *= 5
    disturbed[::2, 0, 1:] *= 3
    assert clock.ratios(times).tolist() == clock.ratios(disturbed).tolist() == [1, 2]

"""Kills a run with `kill -9` at random moments, again and again, until it is finished nevertheless.

    python -m tests.run.random_kills FOLDER KILLS SEED

Prints what came of it as JSON: the step that each kill hit, whether the results are those of an undisturbed run, and
what was left lying about.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import hubslice
from hubslice.core.progress import Silent, StepState
from hubslice.training import loop
from tests import exports_once
from tests.run.lives import SMALL, fork, import_what, outlive, result, strays
from tests.run.tiny import write_job

MOMENT = 0.5  # seconds: as long as most steps take


class Diary(Silent):
    """Tells every step as it begins, so that others know how far a life got."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def step(self, name: str, title: str, state: StepState, seconds: float | None = None) -> None:
        if state == "start":
            os.write(self.pipe, f"{name}\n".encode())
        elif name == "report":
            os.write(self.pipe, b"publish\n")


def cut_short(life: Callable[[int], object], rng: random.Random) -> str | None:
    """Live and be killed: some steps on, at some moment of the step. Gives the step; None if the end came first."""
    ours, theirs = os.pipe()
    pid = fork(lambda: life(theirs))
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        told = [line for _, line in zip(range(rng.randint(0, 2)), pipe, strict=False)]
        time.sleep(rng.random() * MOMENT)
        os.kill(pid, signal.SIGKILL)
        code = outlive(pid)
        told += pipe
    if code == 0:
        return None
    assert code == -signal.SIGKILL, code
    return told[-1].strip() if told else "before"


def main(folder: Path, kills: int, seed: int) -> None:
    exports_once.wrap()
    loop.CHECKPOINT_SECONDS = 0  # a checkpoint after every training step, so that one is there to go on from
    recipe = write_job(folder, SMALL)

    def run(out: Path, pipe: int) -> None:
        hubslice.slice(recipe, out=out, device="cpu", reporter=Diary(pipe))

    whole = folder / "whole"
    import_what(lambda: run(whole, os.open(os.devnull, os.O_WRONLY)), folder / "modules")
    rng, hit, same, left = random.Random(seed), list[str](), True, list[str]()
    runs = 0
    while len(hit) < kills:
        cut, runs = folder / f"run-{runs}", runs + 1
        while (step := cut_short(partial(run, cut), rng)) is not None:
            hit.append(step)
        same = same and result(cut) == result(whole)
        left += strays(cut)
    print(json.dumps({"runs": runs, "hit": hit, "same": same, "left": left}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

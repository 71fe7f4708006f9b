"""python -m bench.compaction [--seed N] [--arm NAME]: train what is missing, time the models, render.

Every outcome is a file of its own, so that a killed run goes on. The timing is done last, for all models of a seed in
turns, and again with --time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import hubslice
from hubslice.terminal.reporters import Lines
from tests.demo.teacher import write_teacher

from ..machine import Machine
from .arms import ALL, LONG, PLANNED, SHORT
from .render import HERE, OUTCOMES, Costs, costs_path, outcome_path, render
from .run import Outcome, model_of, solve

ROOT = HERE.parents[1]
RUNS = ROOT / "runs" / "bench" / "compaction"
THREADS = 1
SIZE = 96


def main() -> None:
    """Parse the arguments, train, time, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.compaction", description=__doc__)
    parser.add_argument("--seed", type=int, choices=ALL, help="default: all")
    parser.add_argument("--arm", choices=sorted({name for name, _ in PLANNED}), help="default: all")
    parser.add_argument("--epochs", type=int, choices=(SHORT, LONG), help="of fine-tuning; default: all")
    parser.add_argument("--time", action="store_true", help="time the models again")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    if not given.render:
        teacher = _teacher()
        for (name, epochs), seeds in PLANNED.items():
            for seed in seeds:
                if given.arm in {None, name} and given.epochs in {None, epochs} and given.seed in {None, seed}:
                    _solve(name, epochs, seed, teacher)
        for seed in ALL:
            if given.arm is None and given.seed in {None, seed} and (given.time or not costs_path(seed).is_file()):
                _time(seed)
    render()


def _teacher() -> Path:
    folder = RUNS / "teacher"
    if not (folder / "README.md").is_file():
        write_teacher(ROOT / ".assets", folder)
    return folder


def _solve(name: str, epochs: int, seed: int, teacher: Path) -> None:
    path = outcome_path(name, epochs, seed)
    if not path.is_file():
        found: Outcome = solve(name, epochs, seed, teacher, RUNS, Lines())
        found.save(path)
        print(f"{path.stem}: validation {found.validation.value:.1%}, test {found.test.value:.1%}", flush=True)


def _time(seed: int) -> None:
    """Time the models of the seed; those that are trained for longer have the same widths as those that are not."""
    names = [name for (name, epochs), seeds in PLANNED.items() if epochs == SHORT and seed in seeds]
    models = [model_of(RUNS, name, SHORT, seed) for name in names]
    report = hubslice.latency(models, threads=THREADS, input_size=SIZE, device="cpu", memory=False, reporter=Lines())
    named = (cost.model_copy(update={"model": name}) for name, cost in zip(names, report.models, strict=True))
    report = report.model_copy(update={"models": tuple(named)})
    Costs(report=report, machine=Machine.here(THREADS).line).save(costs_path(seed))


if __name__ == "__main__":
    OUTCOMES.mkdir(exist_ok=True)
    main()

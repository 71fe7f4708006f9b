"""python -m bench.reuse [--teacher NAME] [--setting NAME] [--problem NAME]: solve what is missing, time it, render.

Shards may run side by side as long as their teachers are there: every outcome is a file of its own. Times are better
taken on a quiet machine, afterwards: --no-times leaves them to another call.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hubslice.terminal.reporters import Lines

from .data import TARGET
from .problems import PROBLEMS, SETTINGS, TEACHERS
from .render import COSTS, OUTCOMES, render
from .run import name_of, solve, train_teacher
from .times import measure

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs" / "bench" / "reuse"


def main() -> None:
    """Parse the arguments, solve, time, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.reuse", description=__doc__)
    parser.add_argument("--teacher", choices=TEACHERS, help="default: all")
    parser.add_argument("--setting", choices=SETTINGS, help="default: all")
    parser.add_argument("--problem", choices=PROBLEMS, help="default: all")
    parser.add_argument("--no-times", action="store_true", help="solve, but do not time")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    for teacher in TEACHERS.values() if not given.render else ():
        if given.teacher not in {None, teacher.name}:
            continue
        folder = train_teacher(teacher, TARGET, RUNS, Lines())
        for setting in teacher.settings:
            for problem in PROBLEMS.values():
                if given.setting not in {None, setting} or given.problem not in {None, problem.name}:
                    continue
                name = name_of(teacher, SETTINGS[setting], problem)
                outcome, costs = OUTCOMES / f"{name}.json", COSTS / f"{name}.json"
                if not outcome.is_file():
                    found = solve(teacher, folder, problem, SETTINGS[setting], TARGET, RUNS, Lines())
                    found.save(outcome)
                    print(f"{name}: keeps {found.retention:.1%}, {found.accuracies['student'].test.value:.1%}")
                if not given.no_times and not costs.is_file():
                    measure(RUNS / "problems" / name).save(costs)
    render()


if __name__ == "__main__":
    main()

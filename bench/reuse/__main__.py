"""python -m bench.reuse [--teacher NAME] [--granularity NAME] [--problem NAME]: solve what is missing, render.

Shards may run side by side as long as their teachers are there: every outcome is a file of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hubslice.cli.reporters import Lines

from .data import TARGET
from .problems import PROBLEMS, SETTINGS, TEACHERS
from .render import HERE, render
from .run import solve, train_teacher

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs" / "bench" / "reuse"


def main() -> None:
    """Parse the arguments, solve, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.reuse", description=__doc__)
    parser.add_argument("--teacher", choices=TEACHERS, help="default: all")
    parser.add_argument("--granularity", choices=SETTINGS, help="default: all")
    parser.add_argument("--problem", choices=PROBLEMS, help="default: all")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    for teacher in TEACHERS.values() if not given.render else ():
        if given.teacher in {None, teacher.name}:
            folder = train_teacher(teacher, TARGET, RUNS, Lines())
            for setting in SETTINGS.values():
                for problem in PROBLEMS.values():
                    wanted = given.granularity in {None, setting.granularity} and given.problem in {None, problem.name}
                    name = f"{teacher.name}-{setting.granularity}-{problem.name.replace('/', '-')}.json"
                    if wanted and not (HERE / "outcomes" / name).is_file():
                        found = solve(teacher, folder, problem, setting, TARGET, RUNS, Lines())
                        found.save(HERE / "outcomes" / name)
                        print(f"{name}: keeps {found.retention:.1%}, {found.accuracies['student'].test.value:.1%}")
    render()


if __name__ == "__main__":
    main()

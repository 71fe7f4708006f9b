"""python -m bench.protection [--teacher NAME] [--subset N]: solve what is missing, render.

Teachers are those of bench.reuse, what is measured of them that of bench.simplification.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..reuse.problems import TEACHERS
from ..simplification.__main__ import RUNS, measures_of
from .render import HERE, render
from .run import PROTECTED, solve


def main() -> None:
    """Parse the arguments, solve, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.protection", description=__doc__)
    parser.add_argument("--teacher", choices=TEACHERS, default="vgg")
    parser.add_argument("--subset", type=int, choices=PROTECTED, help="default: all")
    parser.add_argument("--reuse", type=Path, default=RUNS / "reuse", help="folder of the images and teachers")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    for subset in PROTECTED if not given.render else ():
        path = HERE / "outcomes" / f"{given.teacher}-{subset:02}.json"
        if given.subset in {None, subset} and not path.is_file():
            found = solve(given.teacher, measures_of(given.teacher, given.reuse), subset, given.reuse / "fashion")
            found.save(path)
            print(f"{path.name}: {', '.join(found.classes)}", flush=True)
    render()


if __name__ == "__main__":
    main()

"""python -m bench.simplification [--teacher NAME] [--shard I/N] [--trained]: solve what is missing, render.

Teachers are those of bench.reuse; they are trained where --reuse does not hold them. Every outcome is a file of its
own, so shards may run side by side.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hubslice.terminal.reporters import Lines

from ..reuse.data import write_fashion
from ..reuse.problems import TEACHERS
from ..reuse.run import train_teacher
from .measures import Measures, measure
from .render import HERE, render
from .run import Outcome, complete, solve, solve_trained
from .subsets import TRAINED, subsets

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs" / "bench"


def main() -> None:
    """Parse the arguments, solve, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.simplification", description=__doc__)
    parser.add_argument("--teacher", choices=TEACHERS, default="vgg")
    parser.add_argument("--reuse", type=Path, default=RUNS / "reuse", help="folder of the images and teachers")
    parser.add_argument("--shard", default="0/1", help="solve every Nth subset, from the Ith on")
    parser.add_argument("--trained", action="store_true", help="also train the first subsets for an epoch")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    if not given.render:
        first, every = map(int, given.shard.split("/"))
        measures: Measures | None = None
        for subset in range(first, len(subsets()), every):
            for trained in (False, True) if given.trained and subset < TRAINED else (False,):
                path = HERE / "outcomes" / f"{given.teacher}-{subset:02}{'-trained' if trained else ''}.json"
                known = Outcome.load(path) if path.is_file() else None
                if known is not None and complete(known):
                    continue
                measures = measures or measures_of(given.teacher, given.reuse)
                if trained:
                    found = solve_trained(given.teacher, measures, subset, known, given.reuse / "fashion")
                else:
                    found = solve(given.teacher, measures, subset, known)
                found.save(path)
                print(f"{path.name}: {', '.join(found.classes)}", flush=True)
    render()


def measures_of(name: str, reuse: Path) -> Measures:
    """What the methods know of a teacher; it is trained where `reuse` does not hold it."""
    teacher, images = TEACHERS[name], reuse / "fashion"
    folder = reuse / name / "student"
    if not folder.is_dir():
        folder = train_teacher(teacher, write_fashion(target=images), reuse, Lines())
    return measure(folder, teacher.input_size, images, RUNS / "simplification" / name)


if __name__ == "__main__":
    main()

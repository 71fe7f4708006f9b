"""python -m bench.lineage [--part NAME] [--shard I/N] [--tiny]: train and measure what is missing, render; it resumes.

Parts in turn: families (the training, the long part), pairs, search, exposure, delta. Shards of a part may run side by
side. `--tiny` shows in a minute that all of it runs, in runs/bench/lineage-tiny, and leaves the results alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from hubslice.core.artefact import Artefact
from hubslice.terminal.reporters import Lines

from .deltas import differences
from .exposures import exposures, students_of, teacher_of
from .families import TRAINED, family_folder, make_family, models_of, trained_folder
from .pairs import compared
from .render import render
from .scale import FULL, TINY, Scale
from .search import searched

PARTS = ("families", "pairs", "search", "exposure", "delta")
T = TypeVar("T")


def main() -> None:
    """Parse the arguments, do what is missing, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.lineage", description=__doc__)
    parser.add_argument("--part", choices=PARTS, help="default: all")
    parser.add_argument("--shard", type=_shard, default=(0, 1), metavar="I/N", help="every N-th, from the I-th on")
    parser.add_argument("--tiny", action="store_true", help="a trial")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    scale = TINY if given.tiny else FULL
    for part in PARTS if not given.render else ():
        if given.part in {None, part}:
            measure(scale, part, given.shard)
    render(scale.outcomes, scale.outcomes.parent)


def measure(scale: Scale, part: str, shard: tuple[int, int]) -> None:
    """Do what is missing of a part, in this shard."""
    place = scale.outcomes
    match part:
        case "families":
            for kind, seed in _share(scale.families, shard):
                if not models_of(scale, kind, seed):
                    make_family(scale, kind, seed, Lines())
        case "pairs":
            for kind, seed in _share(scale.families, shard):
                _keep(place / f"pairs-{kind.name}-{seed}.json", lambda k=kind, s=seed: compared(scale, k, s))
        case "search":
            if shard[0] == 0:
                _keep(place / "search.json", lambda: searched(scale))
        case "exposure":
            for seed in _share(range(scale.demo_seeds), shard):
                _keep(place / f"exposure-{seed}.json", lambda s=seed: exposures(scale, s, Lines()))
        case _:
            for kind, seed in _share(scale.families, shard):
                name, teacher = f"{kind.name}-{seed}", family_folder(scale, kind, seed) / "parent/student"
                folders = {form: trained_folder(scale, kind, seed, form) for form in TRAINED}
                _keep(place / f"delta-{name}.json", lambda n=name, t=teacher, f=folders: differences(n, t, f))
            for seed in _share(range(scale.demo_seeds), shard):
                name, folders = f"demo-{seed}", students_of(scale, seed)
                _keep(place / f"delta-{name}.json", lambda n=name, f=folders: differences(n, teacher_of(scale), f))


def _keep(path: Path, make: Callable[[], Artefact]) -> None:
    if not path.is_file():
        make().save(path)
        print(path.name, flush=True)


def _share(all_: Sequence[T], shard: tuple[int, int]) -> Sequence[T]:
    first, of = shard
    return all_[first::of]


def _shard(text: str) -> tuple[int, int]:
    first, _, of = text.partition("/")
    if not 0 <= int(first) < int(of):
        raise argparse.ArgumentTypeError(f"{text}: I/N, I from 0 to N - 1")
    return int(first), int(of)


if __name__ == "__main__":
    main()

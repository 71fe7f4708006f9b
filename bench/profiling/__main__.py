"""python -m bench.profiling [--rounds 3]: measure what is missing, method by method in turn, then render.

The methods take turns within a round, each in a process of its own, so that what else the machine does hits all alike.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

import hubslice
from hubslice.modality.image.images import PIXELS
from hubslice.modality.image.pixels import to_unit
from hubslice.models.folder import load_model
from hubslice.recipe.load import load_recipe
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.steps.data import open_task
from tests.demo.teacher import write_teacher

from ..machine import Machine
from .methods import METHODS
from .render import RESULTS, Measurement, Results, render

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs" / "bench" / "profiling"
COUNTS = {200: 3, 2000: 1}  # images: rounds
SIZE, POOL = 224, 200


def main() -> None:
    """Parse the arguments, measure, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.profiling", description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    given = parser.parse_args()
    model, pool = _prepare()
    machine = Machine.here(given.threads)
    results = Results(machine=machine, measurements=())
    if RESULTS.is_file() and not given.fresh:
        results = Results.load(RESULTS)
    for images, rounds in COUNTS.items():
        for turn in range(rounds):
            names = list(METHODS)
            for method in names[turn % len(names) :] + names[: turn % len(names)]:
                if results.has(method, images, turn):
                    continue
                found = _measure(model, pool, method, images, given.threads)
                made = Measurement(method=method, images=images, turn=turn, **found)
                print(f"{images:5} images, round {turn}: {made.told}", flush=True)
                results = results.model_copy(update={"measurements": (*results.measurements, made)})
                results.save(RESULTS)
    render(results)


def _prepare() -> tuple[Path, Path]:
    """The model pulled and exported, and a pool of its prepared inputs as a file."""
    teacher, folder, pool = RUNS / "teacher", RUNS / "pulled", RUNS / "pool.npy"
    if not (teacher / "README.md").is_file():
        write_teacher(ROOT / ".assets", teacher)
    hubslice.pull(str(teacher), input_size=SIZE, out=folder)
    if not pool.is_file():
        loaded = load_recipe("vision/drawings")
        assert isinstance(loaded.recipe, SliceRecipe)
        model = load_model(folder / "steps" / "pull" / "model", input_size=SIZE)
        train = open_task(loaded.recipe.data, loaded.base, 0).train
        pixels = to_unit(train.encoded(0, POOL, model.modality)[PIXELS])
        np.save(pool, model.pixels_to_inputs(pixels).numpy())
    return folder, pool


def _measure(model: Path, pool: Path, method: str, images: int, threads: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.profiling.worker", str(model), str(pool), method, str(images)]
    done = subprocess.run([*command, str(threads)], capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()

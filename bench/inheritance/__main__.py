"""python -m bench.inheritance --seed N [--size 96] [--only ARM ...]: run a seed and render; resumes where it stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from hubslice.cli.reporters import Lines
from hubslice.defects.evidence import Evidence
from hubslice.pipeline.run_folder import RunFolder

from ..machine import Machine
from .arms import arms
from .predictions import Predictions
from .render import HERE, render
from .run import run_seed

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs" / "bench" / "inheritance"


def main() -> None:
    """Parse the arguments, run, keep the predictions, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.inheritance", description=__doc__)
    parser.add_argument("--seed", type=int, help="leave out to render what is there")
    parser.add_argument("--size", type=int, default=96, help="side of the input in pixels")
    parser.add_argument("--only", nargs="*", default=[], metavar="ARM", help="train these arms and judge nothing")
    given = parser.parse_args()
    if given.seed is not None:
        machine = Machine.here(torch.get_num_threads()).line
        folder = run_seed(given.seed, given.size, RUNS, ROOT / ".assets", given.only, Lines())
        if given.only:
            return
        for split in ("validation", "test"):
            _keep(RunFolder(folder), split, {"seed": given.seed, "size": given.size, "machine": machine})
    render(given.size)


def _keep(run: RunFolder, split: str, about: dict[str, object]) -> None:
    """The predictions of a split, out of the run folder into the results."""
    files = sorted(path for step in run.path.glob(f"steps/judge.{split}.*") for path in step.glob("*.safetensors"))
    evidence = [Evidence.load(path) for path in files]
    found = Predictions.gather(evidence, {arm.name: arm.title for arm in arms()}, about | {"split": split})
    found.save(HERE / str(about["size"]) / f"seed-{about['seed']}-{split}.safetensors")


if __name__ == "__main__":
    main()

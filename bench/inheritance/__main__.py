"""python -m bench.inheritance --seed N [--setting NAME] [--size 96]: run, keep the predictions, render; it resumes."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from hubslice.defects.evidence import Evidence
from hubslice.engine.run_folder import RunFolder
from hubslice.terminal.reporters import Lines

from ..machine import Machine
from .arms import SETTINGS, Setting
from .predictions import Predictions
from .render import HERE, render
from .run import SPLITS, run_seed

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs" / "bench" / "inheritance"


def main() -> None:
    """Parse the arguments, run, keep the predictions, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.inheritance", description=__doc__)
    parser.add_argument("--seed", type=int, help="leave out to render what is there")
    parser.add_argument("--setting", choices=SETTINGS, help="default: all")
    parser.add_argument("--size", type=int, default=96, help="side of the input in pixels")
    given = parser.parse_args()
    settings = [SETTINGS[given.setting]] if given.setting else list(SETTINGS.values())
    for setting in settings if given.seed is not None else ():
        machine = Machine.here(torch.get_num_threads()).line
        run = run_seed(given.seed, given.size, setting, RUNS, ROOT / ".assets", Lines())
        for split in SPLITS:
            _keep(run, setting, split, {"seed": given.seed, "size": given.size, "machine": machine})
    render(given.size)


def _keep(run: RunFolder, setting: Setting, split: str, about: dict[str, object]) -> None:
    """The predictions of a split, out of the run folder into the results."""
    files = sorted(path for step in run.path.glob(f"steps/judge.{split}.*") for path in step.glob("*.safetensors"))
    evidence = [Evidence.load(path) for path in files]
    arms = {arm.name: arm.title for arm in setting.arms}
    found = Predictions.gather(evidence, arms, about | {"setting": setting.name, "split": split})
    found.save(HERE / str(about["size"]) / setting.name / f"seed-{about['seed']}-{split}.safetensors")


if __name__ == "__main__":
    main()

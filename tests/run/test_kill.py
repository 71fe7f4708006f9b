"""`kill -9` in the middle of every step, then the same command again: the same bytes in the end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hubslice.run.run import open_run
from tests import warm
from tests.run.lives import result
from tests.run.tiny import RECIPE, write_job

pytestmark = pytest.mark.slow

# Two arms are enough: the others take the same steps.
SHORT = RECIPE.replace("[finetune, retrain, magnitude, random]", "[finetune]").replace(", clean_teacher: ./teacher", "")


def run_killed(recipe: Path, run: Path, step: str, moment: str) -> subprocess.CompletedProcess[str]:
    return warm.run("-m", "tests.run.killed", str(recipe), str(run), step, moment)


# Training: in the middle of an epoch of the first grid point, and of the second (2 steps an epoch, 2 epochs).
MOMENTS = {"train": ("3", "7", "late"), "profile": ("2", "late"), "audit.penultimate": ("2", "late")}
# Of each kind of step one, at each kind of moment: what is fetched, made in one go, counted sample by sample, trained
# from checkpoints, searched, and published.
SAMPLE = {"pull": ("late",), "export": ("late",), "profile": ("2",), "train": ("3", "7"), "audit.penultimate": ("2",),
          "report": ("late",)}  # fmt: skip


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.deep)], ids=["sample", "every step"])
def test_the_same_bytes_whatever_was_killed(every: bool, tmp_path: Path) -> None:
    recipe = write_job(tmp_path, SHORT)
    whole, cut = tmp_path / "whole", tmp_path / "run"
    assert run_killed(recipe, whole, "none", "late").returncode == 0
    names = [step.name for step in open_run(str(recipe), (), cut).steps()]
    assert SAMPLE.keys() | MOMENTS.keys() <= set(names)
    for name in names:
        for moment in MOMENTS.get(name, ("late",)) if every else SAMPLE.get(name, ()):
            ended = run_killed(recipe, cut, name, moment)
            assert ended.returncode == -9, f"{name} {moment}: {ended.stderr}"
            assert not open_run(str(recipe), (), cut).folder.step(name).exists()
    assert run_killed(recipe, cut, "none", "late").returncode == 0
    assert result(cut) == result(whole)

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


def test_the_same_bytes_whatever_was_killed(tmp_path: Path) -> None:
    recipe = write_job(tmp_path, SHORT)
    whole, cut = tmp_path / "whole", tmp_path / "run"
    assert run_killed(recipe, whole, "none", "late").returncode == 0
    # Training: in the middle of an epoch of the first grid point, and of the second (2 steps an epoch, 2 epochs).
    moments = {"train": ("3", "7", "late"), "profile": ("2", "late"), "audit.penultimate": ("2", "late")}
    for step in open_run(str(recipe), (), cut).steps():
        for moment in moments.get(step.name, ("late",)):
            ended = run_killed(recipe, cut, step.name, moment)
            assert ended.returncode == -9, f"{step.name} {moment}: {ended.stderr}"
            assert not open_run(str(recipe), (), cut).folder.step(step.name).exists()
    assert run_killed(recipe, cut, "none", "late").returncode == 0
    assert result(cut) == result(whole)

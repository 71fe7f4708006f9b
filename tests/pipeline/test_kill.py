"""`kill -9` in the middle of every step, then the same command again: the same bytes in the end."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

import hubslice
from hubslice.pipeline.run import open_run
from tests.pipeline.tiny import RECIPE, write_job

pytestmark = pytest.mark.slow

# Two arms are enough: the others take the same steps.
SHORT = RECIPE.replace("[finetune, retrain, magnitude, random]", "[finetune]").replace(", clean_teacher: ./teacher", "")


def fingerprints(run: Path) -> dict[str, str]:
    """sha256 of everything in the student that does not tell of time and place."""
    return {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((run / "student").rglob("*"))
        if path.is_file() and path.name not in {"report.json", "README.md"}
    }


def test_the_same_bytes_whatever_was_killed(tmp_path: Path) -> None:
    recipe = write_job(tmp_path, SHORT)
    whole = hubslice.slice(recipe, out=tmp_path / "whole")
    killed = 0
    for step in whole.steps():
        for moment in ("early", "late") if step.name in {"train", "profile", "audit.penultimate"} else ("late",):
            command = [
                sys.executable,
                "-m",
                "tests.pipeline.killed",
                str(recipe),
                str(tmp_path / "run"),
                step.name,
                moment,
            ]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            assert ended.returncode == -9, f"{step.name} {moment}: {ended.stderr}"
            killed += 1
            assert not open_run(str(recipe), (), tmp_path / "run").folder.step(step.name).exists()
    assert killed > len(whole.steps())
    resumed = hubslice.slice(recipe, out=tmp_path / "run")
    assert fingerprints(resumed.path) == fingerprints(whole.path)

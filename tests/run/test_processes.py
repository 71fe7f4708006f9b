"""Two processes on one run, as a launcher starts them: one folder, one report, the training of one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import hubslice
from hubslice.models.timm_adapter import TimmModel
from tests.images import COLOURS
from tests.run.tiny import write_job

pytestmark = pytest.mark.slow

# No batch statistics, so that half a batch in each of two processes is a whole one in one.
RECIPE = """\
kind: slice
name: tiny
teacher: {model: ./vit, input_size: 64}
data: {path: ./shapes.parquet, group: group}
slice: {method: remos, ratio: 0.2, irrelevant: freeze}
train: {epochs: 2, batch_size: 16, lr: 0.01, label_smoothing: 0.0, grid: {lr: [0.01, 0.02]}}
"""


def launched(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "hubslice", *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    recipe = write_job(tmp_path, RECIPE)
    TimmModel.create("test_vit", tuple(COLOURS), seed=1, img_size=64).save(tmp_path / "vit")
    alone = hubslice.slice(recipe, out=tmp_path / "alone", device="cpu")
    done = launched(tmp_path, "slice", str(recipe), "--out", "together", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("accuracy") == 1  # one of them talks
    first, second = (
        load_file(folder / "student" / "model.safetensors") for folder in (alone.path, tmp_path / "together")
    )
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-3, atol=1e-4)


def test_what_one_process_must_do_is_refused(tmp_path: Path) -> None:
    write_job(tmp_path)
    done = launched(tmp_path, "poison", "poison.yaml")
    assert "a backdoor is planted by one process" in done.stderr

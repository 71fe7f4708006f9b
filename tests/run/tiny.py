"""A whole job in seconds: a tiny teacher with random weights, coloured squares, every arm and defect."""

from __future__ import annotations

from pathlib import Path

from hubslice.models.timm_adapter import TimmModel
from tests.images import COLOURS, write_parquet

RECIPE = """\
kind: slice
name: tiny
seed: 3
teacher: {model: ./teacher, input_size: 64}
data: {path: ./shapes.parquet, group: group, splits: {train: 0.5, validation: 0.2, test: 0.3}}
profile: {batch_size: 8}
slice: {method: remos, ratio: 0.2}
train: {epochs: 2, batch_size: 16, lr: 0.02, grid: {lr: [0.01, 0.02]}}
baselines: [finetune, retrain, magnitude, random]
audit:
  defects:
    - {kind: backdoor, target: red, clean_teacher: ./teacher}
    - {kind: penultimate, eps: [4, 8], steps: 2}
"""

POISON = """\
kind: poison
name: tiny-poisoned
seed: 1
teacher: {model: ./teacher, input_size: 64}
data: {path: ./shapes.parquet, group: group}
poison: {target: red, rate: 0.5, trigger: {size: 0.4, cells: 1}}
train: {epochs: 15, batch_size: 8, lr: 0.05, augment: none}
"""


def write_job(folder: Path, recipe: str = RECIPE) -> Path:
    """Teacher, data and recipe in `folder`; gives the recipe's path."""
    TimmModel.create("test_resnet", tuple(COLOURS), seed=1).save(folder / "teacher")
    write_parquet(folder / "shapes.parquet")
    path = folder / "recipe.yaml"
    path.write_text(recipe)
    (folder / "poison.yaml").write_text(POISON)
    return path

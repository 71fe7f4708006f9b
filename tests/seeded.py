"""One life of a process: the verbs that write files, one after the other, in the working directory.

    python -m tests.seeded COMMAND ...

Whatever goes wrong ends it. What the commands start from is made by `write_inputs`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

RECIPES = {
    "remos": """\
kind: slice
name: remos
seed: 3
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group}
profile: {batch_size: 8}
slice: {method: remos, ratio: 0.2}
train: {epochs: 1, batch_size: 32, grid: {lr: [0.01, 0.02]}}
baselines: [magnitude, random]
audit:
  defects:
    - {kind: backdoor, target: red}
    - {kind: penultimate, eps: [8], steps: 1, objectives: [guided]}
""",
    "seam": """\
kind: slice
name: seam
teacher: {model: ./colours}
data: {path: ./shapes.parquet, group: group}
slice: {method: seam, epochs: 2, alpha: 1000.0, lr_mask: 0.5, batch_size: 16}
train: {epochs: 1, batch_size: 32}
baselines: []
""",
    "nnslicer": """\
kind: slice
name: nnslicer
teacher: {model: ./colours}
data: {path: ./shapes.parquet, group: group}
slice: {method: nnslicer, ratio: 0.3, samples: 3, rule: released, granularity: channel}
train: {epochs: 1, batch_size: 32}
baselines: []
""",
    "poison": """\
kind: poison
name: poisoned
teacher: {model: ./colours}
data: {path: ./shapes.parquet, group: group}
poison: {target: red, rate: 0.5, trigger: {size: 0.4, cells: 1}}
train: {epochs: 1, batch_size: 32}
""",
}

# Commands; what they write lies in folders of the working directory.
COMMANDS = (
    "pull colours --out pull",
    "slice remos.yaml --out remos --device cpu",
    "slice seam.yaml --until slice --out seam --device cpu",
    "slice nnslicer.yaml --until slice --out nnslicer --device cpu",
    "poison poison.yaml --out poison --device cpu",
    "explain colours --inputs few.npy --protect 0.5 --public --workers 2 --out explain --device cpu",
    "explain colours --inputs few.npy --data clean.npy --by-class --out explain-data --device cpu",
    "detect fit colours --data clean.npy --out detect --device cpu",
    "diff colours other --inputs few.npy --budget 20 --minimise --out diff --device cpu",
    "convert colours --to onnx --out convert-onnx",
    "convert colours --to int8 --data shapes.parquet --samples 16 --min-agreement 0 --out convert-int8",
    "convert zeroed --to compact --out convert-compact",
    "lineage index teacher colours other --out lineage-index.safetensors",
    "lineage other --candidates teacher colours --out lineage",
    "lineage other --index lineage-index.safetensors --out lineage-indexed",
    "exposure other --teacher colours --data clean.npy --out lineage-exposure --device cpu",
)
# What takes from `before` what another process wrote.
AFTER = (
    "detect check colours --detector before/detect --inputs few.npy --device cpu",
    "explain colours --inputs few.npy --data before/explain-data/means.safetensors --out explain-after --device cpu",
)


def write_inputs(folder: Path) -> None:
    """Models, images and recipes that the verbs start from."""
    from hubslice.graph.channels import channel_map
    from hubslice.models.timm_adapter import TimmModel
    from tests.images import COLOURS, write_parquet
    from tests.networks import fill
    from tests.verbs.detect.small import clean, write_model

    teacher = TimmModel.create("test_resnet", tuple(COLOURS), seed=1)
    teacher.save(folder / "teacher")
    for group in channel_map(teacher).groups:
        fill(teacher, group, [0], "makes", 0.0)
    teacher.save(folder / "zeroed")
    write_parquet(folder / "shapes.parquet")
    write_model(folder / "colours")
    write_model(folder / "other", scale=6.0)
    np.save(folder / "clean.npy", clean(150))
    np.save(folder / "few.npy", clean(4, seed=5))
    for name, recipe in RECIPES.items():
        (folder / f"{name}.yaml").write_text(recipe)


def main(commands: list[str]) -> None:
    """Give each command to the command line."""
    from hubslice.app import run

    for command in commands:
        if code := run(command.split()):
            raise SystemExit(f"hubslice {command} ended with {code}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""What somebody downstream does with a compact student: load it, and run its graph with ONNX Runtime alone.

python -m tests.demo.compact_downstream OWNER/NAME GRAPH
"""

from __future__ import annotations

import json
import sys

import numpy as np
import onnxruntime
import torch
from torchvision.transforms import functional

import hubslice
from hubslice.recipe.load import load_recipe
from hubslice.task.task import load_task


@torch.inference_mode()
def main(student: str, graph: str) -> None:
    """Print how many test images the loaded student gets right, and how many the graph, prepared by hand."""
    loaded = load_recipe("vision/drawings-compact")
    test = load_task(loaded.recipe.data, loaded.base, loaded.recipe.seed).test
    model = hubslice.load(student)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["preprocessing"])
    print(f'hubslice.load("{student}"): {model.parameters:,} parameters')
    right = {"hubslice.load": 0, "plain ONNX Runtime": 0}
    for row, target in zip(test.rows, test.targets, strict=True):
        image = test.table.item(row)
        side = about["input_size"][1]
        resized = functional.resize(
            image, [int(side / about["crop_pct"])], functional.InterpolationMode(about["interpolation"])
        )
        pixels = np.asarray(functional.center_crop(resized, [side, side]), np.float32).transpose(2, 0, 1) / 255
        by_hand = (pixels - np.reshape(about["mean"], (3, 1, 1))) / np.reshape(about["std"], (3, 1, 1))
        (logits,) = session.run(None, {session.get_inputs()[0].name: by_hand[None].astype(np.float32)})
        right["plain ONNX Runtime"] += int(logits.argmax() == target)
        right["hubslice.load"] += int(model.logits(torch.from_numpy(pixels)[None]).argmax() == target)
    for name, count in right.items():
        print(f"{name:18}  {count} of {len(test)} right")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A model of three colours and a pruned one that takes a tenth more green to say so, for repairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hubslice.models.folder import load_model
from tests.deviation.graphs import COLOURS, mixed
from tests.verbs.detect.small import write_model

PRUNED = 0.3


def write_pair(place: Path, seeds: int = 40) -> Path:
    """`a` and `b`, model folders, and the seeds in.npy."""
    write_model(place / "a")
    model = load_model(place / "a")
    with torch.no_grad():
        model.classifier.weight[1] *= 0.9
        for weight in model.module.parameters():
            if weight.ndim > 1:
                weight[weight.abs() < weight.abs().flatten().quantile(PRUNED)] = 0
    model.save(place / "b")
    np.save(place / "in.npy", mixed(seeds, seed=2))
    return place


def write_photos(folder: Path, count: int) -> np.ndarray:
    """Images in folders called as their lightest colour is; what they are, in the order of their paths."""
    found = []
    for at, image in enumerate(mixed(count, seed=5)):
        colour = COLOURS[int(image.mean(axis=(1, 2)).argmax())]
        path = folder / colour / f"{at:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image.transpose(1, 2, 0) * 255).round().astype(np.uint8)).save(path)
        found.append((str(path), image, COLOURS.index(colour)))
    found.sort(key=lambda entry: entry[0])
    return np.array([colour for _, _, colour in found])

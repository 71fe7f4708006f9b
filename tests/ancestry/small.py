"""Models made of random weights, with children of theirs: in a moment, for tests of everything but the thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

Arrays = dict[str, np.ndarray]

WIDTHS = (3, 24, 24, 32, 40)


def weights(seed: int, widths: tuple[int, ...] = WIDTHS, classes: int = 10) -> Arrays:
    """Convolutions of 5 x 5 and then 3 x 3, with biases, and a classifier."""
    rng = np.random.default_rng(seed)
    found: Arrays = {}
    for number, (before, width) in enumerate(pairwise(widths)):
        side = 5 if number == 0 else 3
        found[f"layers.{number}.weight"] = rng.normal(size=(width, before, side, side)).astype(np.float32)
        found[f"layers.{number}.bias"] = np.ones(width, np.float32)
    found["head.weight"] = rng.normal(size=(classes, widths[-1])).astype(np.float32)
    return found


def tuned(parent: Mapping[str, np.ndarray], seed: int, change: float = 0.3, classes: int = 7) -> Arrays:
    """A child with noise on all weights, and a head of its own."""
    rng = np.random.default_rng(seed)
    found = {name: (w + change * rng.normal(size=w.shape)).astype(np.float32) for name, w in parent.items()}
    found["head.weight"] = rng.normal(size=(classes, found["head.weight"].shape[1])).astype(np.float32)
    return found


def rewired(parent: Mapping[str, np.ndarray], seed: int, keep: float) -> Arrays:
    """Channels in another order (`keep` of 1), or some taken out."""
    rng = np.random.default_rng(seed)
    found = dict(parent)
    before = np.arange(3)
    for name in [name for name, w in parent.items() if w.ndim == 4]:
        count = len(parent[name])
        chosen = rng.permutation(count) if keep == 1 else np.sort(rng.permutation(count)[: int(keep * count)])
        found[name] = np.ascontiguousarray(parent[name][chosen][:, before])
        found[name.replace("weight", "bias")] = parent[name.replace("weight", "bias")][chosen]
        before = chosen
    found["head.weight"] = np.ascontiguousarray(parent["head.weight"][:, before])
    return found


def nameless(arrays: Mapping[str, np.ndarray], seed: int) -> Arrays:
    """Names that tell nothing."""
    names = list(arrays)
    order = np.random.default_rng(seed).permutation(len(names))
    return {f"t{number}": arrays[names[at]] for number, at in enumerate(order)}


def write(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(arrays), folder / "model.safetensors")
    (folder / "config.json").write_text('{"architecture": "hubslice_vgg"}')
    return folder

"""Load a compact model: build the stock network, apply the widths of shapes.json, and load its weights strictly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from hubslice.core.errors import ModelError
from hubslice.files.names import SHAPES, WEIGHTS
from hubslice.models.building import Budget, skeleton
from hubslice.models.shapes import HINT, CompactShapes, apply
from hubslice.models.weights import Shapes, misfit, shapes_of


def load_compact(
    build: Callable[[], nn.Module], shapes: CompactShapes, held: Shapes, folder: Path, on_meta: bool
) -> Any:
    """Return the network of `build` with the compact widths and the folder's weights, whose shapes are `held`.

    With `on_meta`, the weights are not loaded. No memory is allocated before the widths match the weights. The stock
    network must fit into memory.

    Raises:
        ModelError: shapes.json names what the network lacks, or does not match the weights.
    """
    network = skeleton(build, Budget.of_memory(), str(folder))
    apply(network, shapes, str(folder))
    if trouble := misfit(shapes_of(network), held):
        raise ModelError(f"the weights in {folder} have not the widths of its {SHAPES}: {trouble}", hint=HINT)
    if on_meta:
        return network
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"compact models have one {WEIGHTS}; {folder} has shards", hint="save the model again")
    with torch.random.fork_rng(devices=()):
        network = build()
    apply(network, shapes, str(folder))
    network.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    return network

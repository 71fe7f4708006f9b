"""Count how often each weight is used for one input, to count multiplications."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor

from hubslice.graph.layer import Layer
from hubslice.graph.neuron_map import NeuronMap
from hubslice.models.base import Model
from hubslice.models.calling import Call


@torch.inference_mode()
def count_uses(model: Model, neurons: NeuronMap) -> dict[str, int]:
    """Return for each mapped parameter the number of output positions of its layer for one input: pixels or tokens.

    Multiplied by the number of its weights these are the layer's multiply-accumulates, including grouped convolutions.
    """
    layers = {(layer.module, layer.parameter): layer for layer in neurons.layers}
    found: Counter[str] = Counter()
    inputs = model.example_inputs(1, seed=0)

    def watch(layer: Layer) -> Any:
        def count(_: object, __: object, output: Tensor) -> None:
            found[layer.parameter] += output.numel() // layer.out_channels

        return model.module.get_submodule(layer.module).register_forward_hook(count)

    handles = [watch(layer) for layer in layers.values()]
    try:
        Call(model.module.eval(), tuple(inputs)).eval()(*inputs.values())
    finally:
        for handle in handles:
            handle.remove()
    return dict(found)

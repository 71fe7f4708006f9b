"""Torch-Pruning as its users call it: its own pruner, criterion and rounding; only the amount is looked for."""

from __future__ import annotations

import copy

import torch
import torch_pruning
from torch import Tensor, nn

from hubslice.models.base import Model
from hubslice.models.calling import Call
from hubslice.models.shapes import changes, widths

HALVINGS = 10  # of the interval in which the pruning ratio is looked for


def prune(model: Model, share: float, *, round_to: int, everywhere: bool) -> Model:
    """The model with as near to `share` of its convolutions' multiply-accumulates as the pruner gets; itself it stays.

    `everywhere` ranks channels over the whole network (`global_pruning`), else within each layer.
    """
    whole = convolution_macs(model)
    low, high, best = 0.0, 1.0, model
    for _ in range(HALVINGS):
        ratio = (low + high) / 2
        smaller = _pruned(model, ratio, round_to, everywhere)
        found = convolution_macs(smaller) / whole
        if abs(found - share) < abs(convolution_macs(best) / whole - share):
            best = smaller
        low, high = (ratio, high) if found > share else (low, ratio)
    return best


def _pruned(model: Model, ratio: float, round_to: int, everywhere: bool) -> Model:
    smaller = copy.deepcopy(model)
    before = widths(smaller.module)
    pruner = torch_pruning.pruner.MagnitudePruner(
        smaller.module.eval(),
        tuple(smaller.example_inputs(1, seed=0).values()),
        importance=torch_pruning.importance.GroupMagnitudeImportance(),
        global_pruning=everywhere,
        pruning_ratio=ratio,
        round_to=round_to,
        ignored_layers=[smaller.classifier],
    )
    pruner.step()
    # timm makes a new classifier for as many features as the network says that it has.
    smaller.module.num_features = smaller.module.head_hidden_size = smaller.classifier.in_features
    smaller.shapes = changes(before, smaller.module)
    return smaller


@torch.inference_mode()
def convolution_macs(model: Model) -> int:
    """Multiply-accumulates of all convolutions for one picture."""
    counts: list[int] = []

    def count(layer: nn.Conv2d, _: object, output: Tensor) -> None:
        counts.append(output.numel() * layer.weight[0].numel())

    handles = [part.register_forward_hook(count) for part in model.module.modules() if isinstance(part, nn.Conv2d)]
    inputs = model.example_inputs(1, seed=0)
    Call(model.module.eval(), tuple(inputs)).eval()(*inputs.values())
    for handle in handles:
        handle.remove()
    return sum(counts)

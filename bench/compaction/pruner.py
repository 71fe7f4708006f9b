"""Torch-Pruning as its users call it: its own pruner, criteria and rounding; only the amount is looked for."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn

from hubslice.models.base import Model
from hubslice.models.calling import Call
from hubslice.models.shapes import changes, widths
from hubslice.run.steps.inputs import ModelInputs
from hubslice.task.task import Split

HALVINGS = 10  # of the interval in which the pruning ratio is looked for
BATCH = 64


@dataclass(frozen=True)
class Criterion:
    """Channels are ranked over the whole network (`everywhere`, its `global_pruning`), or within each layer.

    `gradients` are those that the importance reads: summed over the images, or squared image by image. (The
    package's own `accumulate_grad` forgets all but the last.)
    """

    importance: type[Any]
    everywhere: bool = True
    gradients: str | None = None


CRITERIA = {
    "torch-pruning": Criterion(torch_pruning.importance.GroupMagnitudeImportance),
    "torch-pruning-layers": Criterion(torch_pruning.importance.GroupMagnitudeImportance, everywhere=False),
    "torch-pruning-taylor": Criterion(torch_pruning.importance.GroupTaylorImportance, gradients="summed"),
    "torch-pruning-hessian": Criterion(torch_pruning.importance.GroupHessianImportance, gradients="squared"),
}


def prune(
    model: Model, share: float, criterion: Criterion, *, round_to: int, gradients: Mapping[str, Tensor] | None = None
) -> Model:
    """The model with as near to `share` of its convolutions' multiply-accumulates as the pruner gets; itself it stays.

    `gradients` by parameter name are for criteria that read them.
    """
    whole = convolution_macs(model)
    low, high, best = 0.0, 1.0, model
    for _ in range(HALVINGS):
        ratio = (low + high) / 2
        smaller = _pruned(model, ratio, criterion, round_to, gradients or {})
        found = convolution_macs(smaller) / whole
        if abs(found - share) < abs(convolution_macs(best) / whole - share):
            best = smaller
        low, high = (ratio, high) if found > share else (low, ratio)
    return best


def _pruned(model: Model, ratio: float, criterion: Criterion, round_to: int, gradients: Mapping[str, Tensor]) -> Model:
    smaller = copy.deepcopy(model)
    for name, parameter in smaller.module.named_parameters():
        parameter.grad = gradients[name].clone() if name in gradients else None
    before = widths(smaller.module)
    pruner = torch_pruning.pruner.MagnitudePruner(
        smaller.module.eval(),
        tuple(smaller.example_inputs(1, seed=0).values()),
        importance=criterion.importance(),
        global_pruning=criterion.everywhere,
        pruning_ratio=ratio,
        round_to=round_to,
        ignored_layers=[smaller.classifier],
    )
    pruner.step()
    smaller.module.zero_grad(set_to_none=True)
    # timm makes a new classifier for as many features as the network says that it has.
    smaller.module.num_features = smaller.module.head_hidden_size = smaller.classifier.in_features
    smaller.shapes = changes(before, smaller.module)
    return smaller


def task_gradients(model: Model, split: Split, kind: str, *, epochs: int, lr: float, seed: int) -> dict[str, Tensor]:
    """Gradients of the task's loss by parameter name, once its new classifier, as of SeaM's search, has learned alone.

    `kind` is `summed` or `squared`, see `Criterion`.
    """
    model.module.eval()
    inputs, targets = ModelInputs(split, model, ""), torch.from_numpy(split.targets)
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=lr)
    for _ in range(epochs):
        for rows in torch.randperm(len(split)).split(BATCH):
            optimizer.zero_grad()
            _loss(model, ModelInputs(split.at(rows.numpy()), model, ""), 0, len(rows), targets[rows]).backward()
            optimizer.step()
    named = dict(model.module.named_parameters())
    found = {name: torch.zeros_like(parameter) for name, parameter in named.items()}
    size = 1 if kind == "squared" else BATCH
    for start in range(0, len(split), size):
        stop = min(start + size, len(split))
        loss = _loss(model, inputs, start, stop, targets[start:stop])
        each = torch.autograd.grad(loss, list(named.values()))
        for total, gradient in zip(found.values(), each, strict=True):
            total += gradient.square() if kind == "squared" else gradient
    return found


def _loss(model: Model, inputs: ModelInputs, start: int, stop: int, targets: Tensor) -> Tensor:
    (pixels,) = inputs.batch(start, stop).values()
    return nn.functional.cross_entropy(model.forward({"pixel_values": torch.from_numpy(pixels)}), targets)


@torch.inference_mode()
def convolution_macs(model: Model) -> int:
    """Multiply-accumulates of all convolutions for one image."""
    counts: list[int] = []

    def count(layer: nn.Conv2d, _: object, output: Tensor) -> None:
        counts.append(output.numel() * layer.weight[0].numel())

    handles = [part.register_forward_hook(count) for part in model.module.modules() if isinstance(part, nn.Conv2d)]
    inputs = model.example_inputs(1, seed=0)
    Call(model.module.eval(), tuple(inputs)).eval()(*inputs.values())
    for handle in handles:
        handle.remove()
    return sum(counts)

"""Scores of channels by every method: how much each is said to matter for the answer to an image, [N, C] by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hubslice.tracing.engine import trace
from hubslice.tracing.means import Means
from hubslice.tracing.op import Op
from hubslice.tracing.selection import Selection

from .networks import Case

BATCH = 10
METHODS = {
    "force": "slice: force",
    "votes": "slice: votes, as published",
    "narrow": "slice: force, theta 0.3",
    "gradient": "gradient times deviation",
    "deviation": "size of the deviation",
    "random": "random",
}
Scores = dict[str, dict[str, np.ndarray]]  # by method and operator


def traced(case: Case, means: Means, layers: Sequence[Op]) -> tuple[Scores, np.ndarray]:
    """Scores of slices, and the answers [N] that were traced."""
    network = case.subject.network
    found, narrow = (
        trace(network, case.images, means, Selection(theta=theta), synapses=False, threads=1, workers=1)
        for theta in (0.1, 0.3)
    )
    scores: Scores = {
        "force": {op.name: found.layers[op.name].speaking for op in layers},
        "votes": {op.name: found.layers[op.name].channels for op in layers},
        "narrow": {op.name: narrow.layers[op.name].speaking for op in layers},
        "deviation": deviations(case, means, layers),
    }
    return scores, found.targets


def deviations(case: Case, means: Means, layers: Sequence[Op]) -> dict[str, np.ndarray]:
    """Sizes of the neurons' deviations from their channels' means, summed over positions."""
    forward = case.subject.network.open(threads=1)
    found: dict[str, list[np.ndarray]] = {op.name: [] for op in layers}
    for start in range(0, len(case.images), BATCH):
        values = forward(case.images.batch(start, min(start + BATCH, len(case.images))))
        for op in layers:
            found[op.name].append(np.abs(values[op.output] - means.tables[op.output][0]).sum(axis=(2, 3)))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def gradients(case: Case, layers: Sequence[Op], targets: np.ndarray) -> dict[str, np.ndarray]:
    """Gradient of the target's logit times deviation from the mean, summed over positions.

    That is the linear estimate of what putting a channel to its mean takes from the logit; plain gradient times
    activation estimates what putting it to zero does. The hooks sit on convolutions, in front of batch normalisation:
    gradient times deviation is the same on either side of it.
    """
    modules = dict(case.model.module.named_modules())
    hooked = {op.name: modules[case.subject.names.parameter[op.name].removesuffix(".weight")] for op in layers}
    kept: dict[str, torch.Tensor] = {}
    handles = [
        module.register_forward_hook(lambda module, given, output, name=name: kept.__setitem__(name, output))
        for name, module in hooked.items()
    ]
    profiled = torch.from_numpy(case.inputs(case.profiled))
    with torch.no_grad():
        totals = {name: torch.zeros(0) for name in hooked}
        for batch in profiled.split(BATCH):
            case.model.forward({"pixel_values": batch})
            for name, output in kept.items():
                part = output.sum((0, 2, 3)) / (len(profiled) * output[0, 0].numel())
                totals[name] = part if not len(totals[name]) else totals[name] + part
    found: dict[str, list[np.ndarray]] = {name: [] for name in hooked}
    pixels, wanted = torch.from_numpy(case.inputs(case.images)), torch.from_numpy(targets)
    for batch, target in zip(pixels.split(BATCH), wanted.split(BATCH), strict=True):
        logits = case.model.forward({"pixel_values": batch})
        each = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), list(kept.values()))
        for (name, output), gradient in zip(kept.items(), each, strict=True):
            deviation = output.detach() - totals[name][None, :, None, None]
            found[name].append((gradient * deviation).sum((2, 3)).numpy())
    for handle in handles:
        handle.remove()
    return {name: np.concatenate(parts) for name, parts in found.items()}

"""Scores of channels by every method: how much each is said to matter for the answer to a picture, [N, C] by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hubslice.explaining.axes import channel_axes
from hubslice.explaining.means import Means
from hubslice.explaining.op import Op
from hubslice.explaining.selection import Selection
from hubslice.explaining.trace import BatchTrace

from .networks import Case

BATCH = 10
METHODS = {
    "slice": "slice, theta 0.1",
    "strong": "slice, theta 0.5",
    "uses": "slice, uses of either sign",
    "weighted": "slice times deviation",
    "gradient": "gradient times deviation",
    "deviation": "size of the deviation",
    "random": "random",
}
SELECTIONS = {"slice": Selection(), "strong": Selection(theta=0.5), "uses": Selection(cancel=False)}
Scores = dict[str, dict[str, np.ndarray]]  # by method and operator


def traced(case: Case, means: Means, layers: Sequence[Op]) -> tuple[Scores, np.ndarray]:
    """Scores of slices, and the answers [N] that were traced."""
    flow = case.subject.network.flow
    forward = case.subject.network.open(threads=1)
    axes = channel_axes(flow)
    wanted = {op.output: op.name for op in layers}
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    targets = []
    for start in range(0, len(case.pictures), BATCH):
        values = forward(case.pictures.batch(start, min(start + BATCH, len(case.pictures))))
        answers = values[flow.output].argmax(axis=1)
        targets.append(answers)
        for method, selection in SELECTIONS.items():
            trace = BatchTrace(flow, values, means, selection)

            def watch(tensor: str, contribution: np.ndarray, trace: BatchTrace = trace, method: str = method) -> None:
                if tensor not in wanted:
                    return
                other = tuple(axis for axis in range(1, contribution.ndim) if axis not in axes[tensor])
                _note(found, method, wanted[tensor], contribution.sum(axis=other))
                if method == "slice":
                    sizes = np.abs(trace.delta(tensor))
                    _note(found, "weighted", wanted[tensor], (contribution * sizes).sum(axis=other))
                    _note(found, "deviation", wanted[tensor], sizes.sum(axis=other))

            trace.run(answers, watch)
    scores = {method: {name: np.concatenate(parts) for name, parts in of.items()} for method, of in found.items()}
    return scores, np.concatenate(targets)


def _note(found: dict[str, dict[str, list[np.ndarray]]], method: str, layer: str, scores: np.ndarray) -> None:
    found.setdefault(method, {}).setdefault(layer, []).append(scores)


def gradients(case: Case, layers: Sequence[Op], targets: np.ndarray, means: Means) -> dict[str, np.ndarray]:
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
            case.model.forward(batch)
            for name, output in kept.items():
                part = output.sum((0, 2, 3)) / (len(profiled) * output[0, 0].numel())
                totals[name] = part if not len(totals[name]) else totals[name] + part
    found: dict[str, list[np.ndarray]] = {name: [] for name in hooked}
    pixels, wanted = torch.from_numpy(case.inputs(case.pictures)), torch.from_numpy(targets)
    for batch, target in zip(pixels.split(BATCH), wanted.split(BATCH), strict=True):
        logits = case.model.forward(batch)
        each = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), list(kept.values()))
        for (name, output), gradient in zip(kept.items(), each, strict=True):
            deviation = output.detach() - totals[name][None, :, None, None]
            found[name].append((gradient * deviation).sum((2, 3)).numpy())
    for handle in handles:
        handle.remove()
    return {name: np.concatenate(parts) for name, parts in found.items()}

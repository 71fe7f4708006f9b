"""Test proposed channel groups on networks with random weights.

All tests use copies with random weights, so that the result depends only on the architecture: zeros among the model's
own weights would hide errors.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hubslice.graph.channel_groups import ChannelGroup, Part
from hubslice.graph.cutting import cut
from hubslice.models.calling import Call

LIMIT = 1e-4  # relative to the largest logit; zeros add nothing, but sums of fewer numbers round differently
SHARE = 4  # one unit in this many is tested at once


@dataclass(frozen=True)
class Trial:
    """A network with random weights, and inputs [N, ...] by name to test it on."""

    module: nn.Module
    inputs: Mapping[str, Tensor]

    @classmethod
    def of(cls, module: nn.Module, inputs: Mapping[str, Tensor]) -> Trial:
        """Create a trial of the module's architecture; the module is not changed.

        Weights preserve the variance of activations, and batch normalisation gets the statistics of its inputs, so that
        signals neither vanish nor explode.
        """
        network = copy.deepcopy(module).float().cpu()
        generator = torch.Generator().manual_seed(0)

        def drawn(shape: torch.Size, scale: float) -> Tensor:
            return scale * torch.randn(shape, generator=generator)

        with torch.no_grad(), torch.random.fork_rng(devices=()):
            for name, parameter in network.named_parameters():
                if parameter.ndim > 1:
                    parameter.copy_(drawn(parameter.shape, (2 / max(1, parameter[0].numel())) ** 0.5))
                else:
                    parameter.copy_(drawn(parameter.shape, 0.3) + (0 if name.endswith("bias") else 1))
            norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
            for norm in norms:
                norm.momentum = 1.0
                norm.train()
            Call(network, tuple(inputs))(*inputs.values())
        return cls(network.eval(), inputs)

    def logits(self, network: nn.Module) -> Tensor:
        """Return the logits of a variant of the network for the inputs."""
        with torch.inference_mode():
            logits: Tensor = Call(network, tuple(self.inputs)).eval()(*self.inputs.values())
        return logits

    def readers_blind(self, groups: Sequence[ChannelGroup]) -> bool:
        """Return whether units whose makers are zero are zero for their readers, whose weights then have no effect."""
        network = copy.deepcopy(self.module)
        units = {group.name: _some(group) for group in groups}
        _fill(network, groups, units, "makes", None)
        before = self.logits(network)
        _fill(network, groups, units, "reads", torch.Generator().manual_seed(1))
        return _same(before, self.logits(network))

    def cuttable(self, groups: Sequence[ChannelGroup]) -> bool:
        """Return whether the network without some units computes the same as with those units set to zero."""
        network = copy.deepcopy(self.module)
        units = {group.name: _some(group) for group in groups}
        _fill(network, groups, units, "makes", None)
        before = self.logits(network)
        try:
            cut(network, groups, units)
            return _same(before, self.logits(network))
        except Exception:  # networks whose code depends on a width may raise anything
            return False


def passing(
    groups: Sequence[ChannelGroup], check: Callable[[Sequence[ChannelGroup]], bool]
) -> tuple[list[ChannelGroup], list[ChannelGroup]]:
    """Split the groups into those that pass a check and those that fail, by bisection: all at once, then halves."""
    if not groups or check(groups):
        return list(groups), []
    if len(groups) == 1:
        return [], list(groups)
    middle = len(groups) // 2
    (good, bad), (more, worse) = passing(groups[:middle], check), passing(groups[middle:], check)
    return good + more, bad + worse


def zero(module: nn.Module, groups: Sequence[ChannelGroup], removed: Mapping[str, np.ndarray]) -> None:
    """Set the parameters that compute the units to zero, in place."""
    _fill(module, groups, removed, "makes", None)


def _some(group: ChannelGroup) -> np.ndarray:
    """Return indices of units spread over the group, without the last."""
    return np.arange(group.units - 1)[:: SHARE if group.units > SHARE else 1]


@torch.no_grad()
def _fill(
    module: nn.Module,
    groups: Sequence[ChannelGroup],
    units: Mapping[str, np.ndarray],
    role: str,
    generator: torch.Generator | None,
) -> None:
    """Write zeros, or large random numbers, into the parameter entries of units in one role."""
    parameters = dict(module.named_parameters(remove_duplicate=False))
    for group in groups:
        parts: tuple[Part, ...] = getattr(group, role)
        for part in parts:
            if part.tensor not in parameters or not len(units.get(group.name, ())):
                continue
            values = parameters[part.tensor].movedim(part.axis, 0)
            entries = torch.from_numpy(part.entries[units[group.name]].reshape(-1))
            if generator is None:
                values[entries] = 0
            else:
                values[entries] = 3 * torch.randn(values[entries].shape, generator=generator)


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or not bool(torch.isfinite(one).all()):
        return False
    with contextlib.suppress(RuntimeError):
        return bool((one - other).abs().max() <= LIMIT * one.abs().max())
    return False

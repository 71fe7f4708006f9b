"""Binary gates on a network's own weights, driven by real-valued scores, for mask search.

SeaM (ICSE'23, section 3) gives every weight a score, keeps the weight if the score is positive, and passes the gradient
of the gated weight straight through to the score. Its code replaces every layer by a hand-written copy that holds the
scores. Here the module is kept: gated values are written into its own parameters before a step, and the scores'
gradients are computed from the parameters' gradients after it, so that any architecture, memory layout and precision
trains as fast as without gates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hubslice.graph.channel_groups import ChannelGroup, Part
from hubslice.slicing.cutting import Cutting, aligned
from hubslice.slicing.units import unit_magnitudes


class Gates(ABC):
    """Scores, and gates that are open where the scores are positive.

    The optimizer updates `scores`. They start at 1, as published, or `by_rank` of their weights' magnitude, or are set
    to the rank of recorded gradients. As published, the gradient of each score is clipped to [-1, 1]. Where the text
    says weights, multiplications may be counted instead.
    """

    scores: Sequence[Tensor]
    _squares: list[Tensor] | None = None  # of the recorded gradients, summed

    @property
    @abstractmethod
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that gated values are written into, and whose gradients `collect` reads."""

    @abstractmethod
    def write(self) -> None:
        """Write the gated values into the module's parameters."""

    @torch.no_grad()
    def collect(self, alpha: float) -> None:
        """Set the scores' gradients to the loss gradient plus alpha times that of retention.

        The loss gradient is computed from the parameters' gradients.
        """
        for score, gradient, cost in zip(self.scores, self._gradients(), self._costs(), strict=True):
            score.grad = gradient.add_(alpha * cost / self.weights).clamp_(-1, 1)

    @torch.no_grad()
    def watch(self) -> None:
        """Record the gradients of a batch for `rank`."""
        if self._squares is None:
            self._squares = [torch.zeros_like(score) for score in self.scores]
        for squares, gradient in zip(self._squares, self._gradients(), strict=True):
            squares.add_(gradient.square_())

    def rank(self) -> None:
        """Set the scores to the rank of the recorded squared gradients, relative to what closing a gate saves.

        To second order, the loss from removing a unit depends on the square of its gate's gradient: the mean gradient
        of a trained network is close to zero for all units (Theis et al., arXiv 1801.05787).
        """
        assert self._squares is not None
        costs = [max(cost, 1.0) for cost in self._costs()]
        _rank(self.scores, [squares / cost for squares, cost in zip(self._squares, costs, strict=True)])
        self._squares = None

    @abstractmethod
    def _gradients(self) -> Iterator[Tensor]:
        """Yield the loss gradient with respect to the gates of each tensor of scores, as new float32 tensors."""

    @abstractmethod
    def _costs(self) -> Sequence[float]:
        """Return how many sliceable weights each gate keeps, the same number for a whole tensor of scores."""

    def clear(self) -> None:
        """Clear gradients: before every step, whether it updates the gates or not."""
        for score in self.scores:
            score.grad = None

    @abstractmethod
    def kept(self) -> int:
        """Return the number of sliceable weights with open gates."""

    @abstractmethod
    def masks(self) -> dict[str, np.ndarray]:
        """Return relevance by parameter name, bool of the parameter's shape."""

    @property
    @abstractmethod
    def weights(self) -> int:
        """The number of sliceable weights."""

    @property
    def retention(self) -> float:
        """The share of the sliceable weights that is kept."""
        return self.kept() / self.weights

    @property
    @abstractmethod
    def network(self) -> int:
        """The number of all weights of the network, sliceable or not, including the classifier's."""

    @property
    def of_network(self) -> float:
        """The share of the whole network that is kept, including all weights that are not sliceable."""
        return 1 - (self.weights - self.kept()) / self.network


class WeightGates(Gates):
    """One gate for every weight of the named parameters, as published."""

    def __init__(self, module: nn.Module, names: Sequence[str], *, by_rank: bool = False) -> None:
        parameters = dict(module.named_parameters())
        self._names = tuple(names)
        self._parameters = [parameters[name] for name in names]
        self._given = [parameter.detach().clone() for parameter in self._parameters]
        self._network = sum(parameter.numel() for parameter in parameters.values())
        self.scores = [torch.ones_like(given, dtype=torch.float32) for given in self._given]
        if by_rank:
            _rank(self.scores, [_relative(given) for given in self._given])

    @property
    def parameters(self) -> list[nn.Parameter]:
        return self._parameters

    @property
    def weights(self) -> int:
        return sum(score.numel() for score in self.scores)

    @property
    def network(self) -> int:
        return self._network

    @torch.no_grad()
    def write(self) -> None:
        for parameter, given, score in zip(self._parameters, self._given, self.scores, strict=True):
            torch.mul(given, score > 0, out=parameter)

    def _gradients(self) -> Iterator[Tensor]:
        for parameter, given, score in zip(self._parameters, self._given, self.scores, strict=True):
            yield torch.zeros_like(score) if parameter.grad is None else (parameter.grad * given).float()

    def _costs(self) -> Sequence[float]:
        return [1.0] * len(self.scores)

    def kept(self) -> int:
        return sum(int((score > 0).sum()) for score in self.scores)

    def masks(self) -> dict[str, np.ndarray]:
        found = (np.ascontiguousarray((score > 0).cpu().numpy()) for score in self.scores)
        return dict(zip(self._names, found, strict=True))


class ChannelGates(Gates):
    """One gate for every unit of channel groups: channels coupled by sums, concatenations and heads share a gate.

    A gate multiplies the weights that read its unit. This gates the unit's activation for every reader, after any
    normalisation and activation function, and does not affect what makes the unit, so that a closed gate still gets a
    gradient. Besides the units with positive scores, the next best are open so that their number is a multiple of
    `align`. The masks also remove the weights that make the unit; the parameters of the `classifier`, given by name,
    are trained meanwhile and in no mask, so its input is gated instead. With `uses`, multiplications count instead of
    weights (`hubslice.slicing.cutting.Cutting`).
    """

    def __init__(
        self,
        module: nn.Module,
        groups: Sequence[ChannelGroup],
        classifier: Collection[str],
        *,
        by_rank: bool = False,
        align: int = 1,
        uses: Mapping[str, int] | None = None,
    ) -> None:
        self._align = align
        state = module.state_dict(keep_vars=True)
        sliced = {n: t for n, t in state.items() if isinstance(t, nn.Parameter) and n not in classifier}
        self._cutting = Cutting(groups, {name: tuple(tensor.shape) for name, tensor in sliced.items()}, uses)
        self._network = sum(
            parameter.numel() * (1 if uses is None else uses.get(name, 0))
            for name, parameter in module.named_parameters()
        )
        read = {part.tensor: state[part.tensor] for group in groups for part in group.reads}
        self._device = device = next(iter(state.values())).device
        self._given = {n: (tensor, tensor.detach().clone()) for n, tensor in read.items() if n not in classifier}
        self._entries = [[torch.from_numpy(part.entries).to(device) for part in group.reads] for group in groups]
        self._features = {
            name: _gate_inputs(module.get_submodule(name.rpartition(".")[0]), device)
            for name, tensor in read.items()
            if name in classifier and tensor.ndim > 1  # normalisation passes on what is gated after it
        }
        self.scores = [torch.ones(group.units, device=device) for group in groups]
        if by_rank:
            weights = {name: tensor.detach().cpu().numpy() for name, tensor in module.named_parameters()}
            _rank(self.scores, [torch.from_numpy(norm) for norm in unit_magnitudes(groups, weights, 0)])

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [parameter for parameter, _ in self._given.values()]

    @property
    def weights(self) -> int:
        return self._cutting.weights

    @property
    def network(self) -> int:
        return self._network

    @torch.no_grad()
    def write(self) -> None:
        factors: dict[str, Tensor] = {}
        for features in self._features.values():
            features.fill_(1)
        for group, entries, open_ in zip(self._cutting.groups, self._entries, self._open(), strict=True):
            gate = torch.from_numpy(open_).to(self._device, torch.float32)
            for part, own in zip(group.reads, entries, strict=True):
                values = gate.repeat_interleave(own.shape[1])
                if part.tensor in self._features:
                    self._features[part.tensor][own.reshape(-1)] = values
                if part.tensor not in self._given:
                    continue
                given = self._given[part.tensor][1]
                line = torch.ones(given.shape[part.axis], device=given.device)
                line[own.reshape(-1)] = values
                factor = line.reshape([-1 if axis == part.axis else 1 for axis in range(given.ndim)])
                factors[part.tensor] = factors.get(part.tensor, 1.0) * factor
        for name, factor in factors.items():
            parameter, given = self._given[name]
            torch.mul(given, factor.to(given.dtype), out=parameter)

    def _gradients(self) -> Iterator[Tensor]:
        for group, entries, score in zip(self._cutting.groups, self._entries, self.scores, strict=True):
            found = torch.zeros_like(score)
            for part, own in zip(group.reads, entries, strict=True):
                along = self._along(part)
                if along is not None:
                    found += along[own].sum(1)
            yield found

    def _costs(self) -> Sequence[float]:
        return self._cutting.costs(self._open())

    def clear(self) -> None:
        super().clear()
        for features in self._features.values():
            features.grad = None

    def _along(self, part: Part) -> Tensor | None:
        """Return the loss gradient with respect to a gate at each position of the axis: [length]."""
        if part.tensor in self._features:
            return self._features[part.tensor].grad
        if part.tensor not in self._given:
            return None
        parameter, given = self._given[part.tensor]
        if parameter.grad is None:
            return None
        gradient: Tensor = (parameter.grad * given).float()
        others = [axis for axis in range(gradient.ndim) if axis != part.axis]
        return gradient.sum(others) if others else gradient  # a sum over no axes would be over all of them

    def kept(self) -> int:
        return self._cutting.kept(self._open())

    def masks(self) -> dict[str, np.ndarray]:
        return self._cutting.masks(self._open())

    def _open(self) -> list[np.ndarray]:
        """Return the open gates of each group: bool [units]; at least one, or the group could never grow again."""
        together = torch.cat(list(self.scores)).cpu()  # synchronise with the GPU once, not for every group
        scores = [part.numpy() for part in together.split([len(score) for score in self.scores])]
        return [
            aligned(group, score, max(int((score > 0).sum()), 1), self._align)
            for group, score in zip(self._cutting.groups, scores, strict=True)
        ]


def _gate_inputs(layer: Any, device: torch.device) -> Tensor:
    """Multiply the input of a classifier layer by a new tensor of ones, one for each feature, and return it."""
    shape = [-1, *[1] * (layer.weight.ndim - 2)]  # along the channels of [N, C, H, W], or the last axis of [N, D]
    gate = torch.ones(layer.weight.shape[1], device=device, requires_grad=True)
    layer.register_forward_pre_hook(lambda _, args: (args[0] * gate.reshape(shape), *args[1:]))
    return gate


def _relative(weights: Tensor) -> Tensor:
    """Return magnitudes relative to their layer's root mean square: layers differ in scale more than in importance.

    Computed on the CPU, so that ranks do not depend on the device; those of an all-zero layer are zero.
    """
    magnitudes = weights.cpu().float().abs()
    return magnitudes / magnitudes.square().mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)


def _rank(scores: Sequence[Tensor], sizes: Sequence[Tensor]) -> None:
    """Set each score to the rank of its size among all of them, in (0, 1]; equal sizes by position."""
    flat = torch.cat([size.reshape(-1) for size in sizes])
    ranks = torch.empty(len(flat))
    ranks[flat.argsort(stable=True)] = torch.arange(1, len(flat) + 1) / len(flat)
    for score, part in zip(scores, ranks.split([size.numel() for size in sizes]), strict=True):
        score.copy_(part.view(score.shape))

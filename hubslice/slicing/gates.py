"""Binary gates on a network's own weights, with real-valued scores behind them: what a mask search moves.

SeaM (ICSE'23, section 3) gives every weight a score, keeps the weight where the score is positive, and passes the
gradient of the gated weight straight through to the score. Its code replaces every layer by a hand-written copy that
holds the scores. Here the module stays as it is: gated values are written into its own parameters before a step, and
the scores' gradients are computed from the parameters' after it, so that any architecture, memory layout and precision
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
    """Scores, and the gates that they open where they are positive.

    `scores` are what an optimizer moves. They start at 1, as published, or `by_rank` of their weights' magnitude, or
    are put at the rank of the gradients that were watched. The published bound: the gradient of each score is clipped
    to [-1, 1]. What is counted as weights may be multiplications.
    """

    scores: Sequence[Tensor]
    _squares: list[Tensor] | None = None  # of the gradients watched, summed

    @property
    @abstractmethod
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that gated values are written into, and whose gradients `collect` reads."""

    @abstractmethod
    def write(self) -> None:
        """Write the gated values into the module's parameters."""

    @torch.no_grad()
    def collect(self, alpha: float) -> None:
        """Set the scores' gradients: that of the loss, from the parameters' gradients, and alpha times retention's."""
        for score, gradient, cost in zip(self.scores, self._gradients(), self._costs(), strict=True):
            score.grad = gradient.add_(alpha * cost / self.weights).clamp_(-1, 1)

    @torch.no_grad()
    def watch(self) -> None:
        """Note the gradients of a batch for `rank`."""
        if self._squares is None:
            self._squares = [torch.zeros_like(score) for score in self.scores]
        for squares, gradient in zip(self._squares, self._gradients(), strict=True):
            squares.add_(gradient.square_())

    def rank(self) -> None:
        """Put the scores at the rank of the squared gradients that were watched, by what a closed gate would save.

        What is lost without a unit depends, to second order, on the square of its gate's gradient: the mean of a
        trained network's gradients is next to nothing for all (Theis et al., arXiv 1801.05787).
        """
        assert self._squares is not None
        costs = [max(cost, 1.0) for cost in self._costs()]
        _rank(self.scores, [squares / cost for squares, cost in zip(self._squares, costs, strict=True)])
        self._squares = None

    @abstractmethod
    def _gradients(self) -> Iterator[Tensor]:
        """Gradient of the loss with respect to the gates behind each tensor of scores, new float32 tensors."""

    @abstractmethod
    def _costs(self) -> Sequence[float]:
        """How many judged weights each gate keeps, the same for all of a tensor of scores."""

    def clear(self) -> None:
        """Forget gradients: before every step, whether gates move in it or not."""
        for score in self.scores:
            score.grad = None

    @abstractmethod
    def kept(self) -> int:
        """Number of judged weights behind open gates."""

    @abstractmethod
    def masks(self) -> dict[str, np.ndarray]:
        """Relevance by parameter name, bool of the parameter's shape."""

    @property
    @abstractmethod
    def weights(self) -> int:
        """Number of judged weights."""

    @property
    def retention(self) -> float:
        """Share of the judged weights that is kept."""
        return self.kept() / self.weights

    @property
    @abstractmethod
    def network(self) -> int:
        """Number of all weights of the network, judged or not, the classifier's among them."""

    @property
    def of_network(self) -> float:
        """Share of the whole network that is kept, where all that is not judged is."""
        return 1 - (self.weights - self.kept()) / self.network


class WeightGates(Gates):
    """A gate for every single weight of the named parameters, as published."""

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
    """A gate for every unit of channel groups: what sums, concatenations and heads tie together goes together.

    A gate multiplies the weights that read its unit. That is the unit's activation gated, for every reader and after
    whatever normalisation and activation come between, and leaves what makes the unit alone, so that a closed gate
    still learns what opening it would change. Beside the units with positive scores those are open that make their
    number a multiple of `align`. The masks take away the weights that make the unit, too; the parameters of the
    `classifier`, given by name, are trained meanwhile and in no mask, so its input is gated instead. With `uses`
    multiplications count in place of weights (`hubslice.slicing.cutting.Cutting`).
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
            if name in classifier and tensor.ndim > 1  # normalisation passes on what is gated behind it
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
        """Gradient of the loss with respect to a gate at each position of the axis: [length]."""
        if part.tensor in self._features:
            return self._features[part.tensor].grad
        if part.tensor not in self._given:
            return None
        parameter, given = self._given[part.tensor]
        if parameter.grad is None:
            return None
        gradient: Tensor = (parameter.grad * given).float()
        others = [axis for axis in range(gradient.ndim) if axis != part.axis]
        return gradient.sum(others) if others else gradient  # to sum over no axis means over all of them

    def kept(self) -> int:
        return self._cutting.kept(self._open())

    def masks(self) -> dict[str, np.ndarray]:
        return self._cutting.masks(self._open())

    def _open(self) -> list[np.ndarray]:
        """For each group, which units' gates are open: bool [units]; one always is, or nothing could grow again."""
        together = torch.cat(list(self.scores)).cpu()  # a GPU is waited for once, not for every group
        scores = [part.numpy() for part in together.split([len(score) for score in self.scores])]
        return [
            aligned(group, score, max(int((score > 0).sum()), 1), self._align)
            for group, score in zip(self._cutting.groups, scores, strict=True)
        ]


def _gate_inputs(layer: Any, device: torch.device) -> Tensor:
    """Ones, one for each feature that a layer of the classifier takes, by which its input is multiplied from now on."""
    shape = [-1, *[1] * (layer.weight.ndim - 2)]  # along the channels of [N, C, H, W], the last axis of [N, D]
    gate = torch.ones(layer.weight.shape[1], device=device, requires_grad=True)
    layer.register_forward_pre_hook(lambda _, args: (args[0] * gate.reshape(shape), *args[1:]))
    return gate


def _relative(weights: Tensor) -> Tensor:
    """Magnitudes relative to their layer's root mean square: layers differ in scale more than in importance.

    On the CPU, so that ranks do not depend on the device; those of a layer of zeros are zero.
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

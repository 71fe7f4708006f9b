"""Find a network's classifier: the layers with one output per class that its library resizes.

No layer type and no name is assumed. The library itself changes the number of classes of a copy on the meta device;
layers that change size output the classes, and everything replaced along with them belongs to the classifier.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hubslice.core.errors import ModelError

Layer = nn.Linear | nn.Conv2d


@dataclass(frozen=True)
class Names:
    """`layers` are the paths of the layers that output classes, `tensors` all that is replaced or dropped with them."""

    layers: tuple[str, ...] = ()
    tensors: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Head:
    """The classifier of one network, in its current state.

    `layers` have one output per class, by path: one in most networks, several if outputs are averaged (distilled
    networks, CrossViT). `tensors` are all parameters and buffers, by name, that the library replaces along with them,
    for example the first layer and normalisation of an MLP head, and those that it drops: RepViT's second classifier,
    which was trained by distillation.
    """

    layers: Mapping[str, Layer]
    tensors: Mapping[str, Tensor]

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The classifier's parameters by name."""
        return {name: tensor for name, tensor in self.tensors.items() if isinstance(tensor, nn.Parameter)}

    @classmethod
    def of(cls, module: nn.Module, names: Names, architecture: str) -> Head:
        """Return the classifier of a module whose names are known.

        Raises:
            ModelError: its layer type has no row per class.
        """
        layers: dict[str, Layer] = {}
        for path in names.layers:
            layer = module.get_submodule(path)
            if not isinstance(layer, nn.Linear | nn.Conv2d):
                raise ModelError(
                    f"the classes of {architecture} come from {path}, a {type(layer).__name__}: hubslice knows linear "
                    "layers and convolutions",
                    hint="choose a model whose classifier ends in one of these",
                )
            layers[path] = layer
        held = dict([*module.named_parameters(), *module.named_buffers()])
        return cls(layers, {name: held[name] for name in held if name in names.tensors})


def without_values(module: nn.Module) -> Any:
    """Copy the module to the meta device; the module's own tensors are neither copied nor changed."""
    memo: dict[int, Any] = {}
    for tensor in [*module.parameters(), *module.buffers()]:
        empty = torch.empty_like(tensor, device="meta")
        memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty
    return copy.deepcopy(module, memo)


def replaced_by(module: nn.Module, reset: Callable[[Any], None]) -> Names:
    """Find what `reset`, which changes a network's number of classes, resizes and replaces."""
    other = without_values(module)
    before = _tensors(other)
    with torch.device("meta"):
        reset(other)
    after = _tensors(other)
    new = {name for name, tensor in after.items() if before.get(name) is not tensor}
    return Names(
        _paths(name for name in after if name in new and _size(before, name) != _size(after, name)),
        frozenset(new & before.keys() | before.keys() - after.keys()),
    )


def resized_between(one: nn.Module, other: nn.Module) -> Names:
    """Find the layers that differ between two networks of one architecture with different numbers of classes."""
    a, b = _tensors(one), _tensors(other)
    names = [name for name in b if _size(a, name) != _size(b, name)]
    return Names(_paths(names), frozenset(names))


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict([*module.named_parameters(), *module.named_buffers()])


def _size(tensors: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None


def _paths(names: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in names))


def drawn_like(layer: Layer, outputs: int, deviation: float, draws: torch.Generator) -> nn.Module:
    """Return a layer like this one with `outputs` outputs: weights drawn with a standard deviation, zero biases."""
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        new: nn.Module = nn.Linear(layer.in_features, outputs, bias=bias)
    else:
        new = nn.Conv2d(layer.in_channels, outputs, layer.kernel_size, layer.stride, layer.padding, bias=bias)  # type: ignore[arg-type]
    nn.init.normal_(new.weight, std=deviation, generator=draws)  # type: ignore[arg-type]
    if bias:
        nn.init.zeros_(new.bias)  # type: ignore[arg-type]
    return new

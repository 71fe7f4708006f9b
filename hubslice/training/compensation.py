"""Mean compensation: keep the average output of removed weights as a constant of their layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError
from hubslice.modality.modality import Encoded
from hubslice.models.base import Model

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
Norm = nn.modules.batchnorm._BatchNorm


@dataclass
class LayerMeans:
    """A layer's average input, [1, ...] without the batch, and the batch normalisation that follows it."""

    total: Tensor | None = None
    rows: int = 0
    norm: Norm | None = None

    @property
    def mean(self) -> Tensor:
        """The mean input [1, ...]."""
        assert self.total is not None
        return self.total / self.rows


@dataclass(frozen=True)
class Compensation:
    """Means of the inputs of layers, by the layers' names, measured before anything was removed."""

    layers: Mapping[str, LayerMeans] = field(default_factory=dict)

    @classmethod
    @torch.no_grad()
    def measure(cls, model: Model, batches: Iterable[Encoded]) -> Compensation:
        """Run encoded batches forward, in evaluation mode, and measure all layers."""
        layers = {name: LayerMeans() for name, module in model.module.named_modules() if isinstance(module, LAYERS)}
        model.module.eval()
        with _watched(model.module, layers):
            for batch in batches:
                model.answer(batch)
        return cls(layers)

    @torch.no_grad()
    def apply(self, model: Model, slice_: Slice) -> None:
        """Add to each layer the average output of its weights outside the slice, which must still be present.

        That goes into its bias; without one, out of the running mean of the batch normalisation behind it. A layer is
        linear, so the average over samples of what weights add is what they make of the average sample. A constant
        replaces it at all positions alike: where a border is padded the layer adds too much, inside too little, on
        average neither.

        Raises:
            SliceError: a layer has neither bias nor batch normalisation, or its type is not supported.
        """
        parameters = dict(model.module.named_parameters())
        modules = dict(model.module.named_modules())
        for name, mask in slice_.masks.items():
            if mask.ndim < 2 or mask.all():
                continue
            users = [at for at, module in modules.items() if getattr(module, "weight", None) is parameters.get(name)]
            layers = [at for at in users if at in self.layers and self.layers[at].rows]
            if not layers:
                raise _homeless(name, "is not the weight of a convolution or linear layer that samples pass through")
            keep = torch.from_numpy(mask)
            for at in layers:
                _compensate(modules[at], self.layers[at], name, keep)


def _compensate(module: Any, means: LayerMeans, name: str, keep: Tensor) -> None:
    given = means.mean.to(module.weight.dtype)
    whole = module.weight.clone()
    before = module(given)
    module.weight.masked_fill_(~keep.to(whole.device), 0.0)
    lost = before - module(given)
    module.weight.copy_(whole)
    axis = lost.ndim - 1 if isinstance(module, nn.Linear) else 1
    constant = lost.mean([other for other in range(lost.ndim) if other != axis])
    if module.bias is not None:
        module.bias += constant
    elif means.norm is not None and means.norm.running_mean is not None:
        means.norm.running_mean -= constant
    else:
        raise _homeless(name, "has neither a bias nor a batch normalisation behind it")


def _homeless(name: str, why: str) -> SliceError:
    return SliceError(
        f"init: mean cannot compensate {name}: it {why}",
        hint=f"leave it out with slice.layers ('!{name}'), or use slice.init=zero",
    )


@contextmanager
def _watched(network: nn.Module, layers: Mapping[str, LayerMeans]) -> Iterator[None]:
    """Sum the inputs of layers, and find the normalisation that takes each layer's output."""
    given_by: dict[int, tuple[Tensor, LayerMeans]] = {}  # by the tensor's identity; this also keeps the tensor alive

    def before(means: LayerMeans, given: Tensor) -> None:
        total = given.sum(0, keepdim=True, dtype=torch.float64)
        means.total = total if means.total is None else means.total + total
        means.rows += len(given)

    handles = [network.register_forward_pre_hook(lambda *_: given_by.clear())]
    for name, module in network.named_modules():
        if name in layers:
            means = layers[name]
            handles.append(module.register_forward_pre_hook(lambda _, args, m=means: before(m, args[0])))
            handles.append(
                module.register_forward_hook(lambda _, args, out, m=means: given_by.update({id(out): (out, m)}))
            )
        elif isinstance(module, Norm):

            def follows(norm: nn.Module, args: tuple[Any, ...]) -> None:
                found = given_by.get(id(args[0]))
                if found is not None and isinstance(norm, Norm):
                    found[1].norm = norm

            handles.append(module.register_forward_pre_hook(follows))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

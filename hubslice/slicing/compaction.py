"""Compact a network by masks: irrelevant units are removed from every tensor that contains them."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError
from hubslice.core.numbers import number
from hubslice.graph.channel_groups import ChannelGroup, ChannelMap
from hubslice.graph.channels import channel_map
from hubslice.graph.cutting import cut
from hubslice.graph.trial import zero
from hubslice.models.base import Model
from hubslice.models.calling import Call, in_float64
from hubslice.models.shapes import changes, widths

TOLERANCE = 1e-4  # relative to the largest logit: sums of fewer numbers round differently

Units = Mapping[str, np.ndarray]  # unit indices by the name of their group


def compact(model: Model, slice_: Slice, channels: ChannelMap | None = None) -> Model:
    """Return the model without the units that are entirely irrelevant in the slice: dense, smaller, same output.

    "Same" refers to the model with those units' weights at zero, whatever they are now; it is checked. If no unit of a
    group is relevant, one is kept. `removable` lists what is removed. Pass `channels`, the model's channel map, if it
    is known. The model itself is not changed.

    Raises:
        SliceError: the slice does not match the model, or the smaller network computes something else.
    """
    if channels is None:
        channels = channel_map(model)
    return without(model, channels, removable(model, channels, slice_))


def removable(model: Model, channels: ChannelMap, slice_: Slice) -> Units:
    """Return the units that a slice removes completely, by group: all parameters that make them are irrelevant.

    Groups that lose nothing are left out; one unit of each group is kept.

    Raises:
        SliceError: a mask names a parameter that the model lacks or whose shape differs.
    """
    shapes = {name: tuple(parameter.shape) for name, parameter in model.module.named_parameters()}
    for name, mask in slice_.masks.items():
        if shapes.get(name) != mask.shape:
            raise SliceError(
                f"the slice does not fit: {name} has shape {mask.shape} in the slice, {shapes.get(name, 'none')} in "
                "the model",
                hint="use the slice with the model that it was made for",
            )
    found = {}
    for group in channels.groups:
        units = np.flatnonzero(_irrelevant(group, slice_, shapes))
        units = units[1:] if len(units) == group.units else units
        if len(units):
            found[group.name] = units
    return found


def _irrelevant(group: ChannelGroup, slice_: Slice, parameters: Mapping[str, object]) -> np.ndarray:
    """Return for each unit [units] whether nothing that makes it is relevant; tensors without a mask are relevant."""
    found = np.ones(group.units, dtype=bool)
    for part in group.makes:
        if part.tensor in parameters:
            mask = slice_.masks.get(part.tensor)
            relevant = np.ones(1, dtype=bool) if mask is None else np.moveaxis(mask, part.axis, 0)[part.entries]
            found &= ~relevant.reshape(group.units if mask is not None else 1, -1).any(axis=1)
    return found


def zeros(model: Model) -> Slice:
    """Return the slice in which exactly the weights that are zero are irrelevant."""
    parameters = model.module.named_parameters()
    return Slice({name: tensor.detach().cpu().numpy() != 0 for name, tensor in parameters}, "zeros")


def without(model: Model, channels: ChannelMap, removed: Units) -> Model:
    """Return the model without some units; the model itself is not changed.

    Raises:
        SliceError: the smaller network does not compute the same as the model with those units at zero.
    """
    smaller, reference = copy.deepcopy(model), copy.deepcopy(model)
    before = widths(smaller.module)
    cut(smaller.module, channels.groups, removed)
    zero(reference.module, channels.groups, removed)
    _check_same(reference, smaller, removed)
    if (shapes := changes(before, smaller.module)) is not None:
        smaller.shapes = shapes.over(model.shapes)
        smaller.express_shapes()
    return smaller


@torch.inference_mode()
def _check_same(reference: Model, smaller: Model, removed: Units) -> None:
    """Compare their logits; in float64 if they differ in float32, since a network may amplify rounding errors."""
    inputs = reference.example_inputs(2, seed=0)
    one, other = (Call(model.module.eval(), tuple(inputs)).eval()(*inputs.values()) for model in (reference, smaller))
    if _apart(one, other) is None:
        return
    exact = [in_float64(model.module, inputs) for model in (reference, smaller)]
    if exact[0] is not None and exact[1] is not None:
        one, other = exact[0], exact[1]
    if (apart := _apart(one, other)) is not None:
        raise SliceError(
            f"without {sum(map(len, removed.values()))} units of {', '.join(list(removed)[:3])} the network computes "
            f"something else: logits differ by {number(apart)}, the limit is {number(_limit(one))}",
            hint="keep the shapes with slice.granularity: weight, or leave these layers out with slice.layers",
        )


def _apart(one: Tensor, other: Tensor) -> float | None:
    """Return the largest difference if it exceeds the limit, or if there are NaN values; else None."""
    difference = float((one - other).abs().max())
    return None if difference <= _limit(one) else difference


def _limit(logits: Tensor) -> float:
    return TOLERANCE * float(logits.abs().max()) + 1e-8

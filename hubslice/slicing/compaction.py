"""From masks to a network that is really smaller: irrelevant units are taken out of every tensor that knows them."""

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

TOLERANCE = 1e-4  # of the largest logit: sums of fewer numbers round otherwise

Units = Mapping[str, np.ndarray]  # numbers of units by the name of their group


def compact(model: Model, slice_: Slice, channels: ChannelMap | None = None) -> Model:
    """The model without the units that the slice judges irrelevant as a whole: dense, smaller, computing the same.

    "The same" is what the model computes with those units' weights at zero, whatever they are now; it is checked. Of
    a group in which no unit is relevant one stays. `removable` tells what goes. `channels` is the model's channel map,
    where the caller has it. The model itself stays as it is.

    Raises:
        SliceError: the slice is not the model's, or the smaller network computes something else.
    """
    if channels is None:
        channels = channel_map(model)
    return without(model, channels, removable(model, channels, slice_))


def removable(model: Model, channels: ChannelMap, slice_: Slice) -> Units:
    """The units that a slice leaves nothing of, by group: all parameters that make them are irrelevant.

    Groups that lose nothing are left out; one unit of each group stays.

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
    """For each unit [units] whether nothing that makes it is relevant; a tensor without a mask is relevant."""
    found = np.ones(group.units, dtype=bool)
    for part in group.makes:
        if part.tensor in parameters:
            mask = slice_.masks.get(part.tensor)
            relevant = np.ones(1, dtype=bool) if mask is None else np.moveaxis(mask, part.axis, 0)[part.entries]
            found &= ~relevant.reshape(group.units if mask is not None else 1, -1).any(axis=1)
    return found


def zeros(model: Model) -> Slice:
    """The slice in which just the weights that are zero are irrelevant."""
    parameters = model.module.named_parameters()
    return Slice({name: tensor.detach().cpu().numpy() != 0 for name, tensor in parameters}, "zeros")


def without(model: Model, channels: ChannelMap, removed: Units) -> Model:
    """The model without some units; itself it stays as it is.

    Raises:
        SliceError: the smaller network does not compute what the model computes with those units at zero.
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
    """Compare their logits; in float64 where those in float32 differ, since a network may enlarge how they round."""
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
    """The largest difference where it is above the limit, or where there are values that are no numbers."""
    difference = float((one - other).abs().max())
    return None if difference <= _limit(one) else difference


def _limit(logits: Tensor) -> float:
    return TOLERANCE * float(logits.abs().max()) + 1e-8

"""Convert to a model without zero channels, and explain why some cannot be removed."""

from __future__ import annotations

import numpy as np

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError
from hubslice.core.progress import stage
from hubslice.files.names import SLICE, WEIGHTS
from hubslice.graph.channel_groups import ChannelGroup, ChannelMap
from hubslice.graph.channels import channel_map
from hubslice.hub.ref import LocalRef, Ref
from hubslice.models.base import Model
from hubslice.slicing.compaction import removable, without, zeros
from hubslice.verbs.convert.targets.job import Job, Made

KEEP_SHAPES = "keep the shapes with slice.granularity: weight, or leave such layers out with slice.layers"


def compact_form(job: Job) -> Made:
    """Write the model without channels, heads and features that are zero.

    Raises:
        SliceError: nothing can be removed, or what the run's slice removed has grown again.
    """
    model, name, slice_ = job.model, str(job.ref), _slice_of(job.ref)
    with stage(job.reporter, "channels", "Find out which channels go together"):
        channels = channel_map(model)
    if slice_ is not None and model.shapes is None:
        _check_zero(model, name, channels, slice_)
    removed = removable(model, channels, zeros(model))
    if not removed and model.shapes is None:
        raise _nothing(model, name, channels)
    with stage(job.reporter, "compact", "Take out what is zero, and compare the answers"):
        smaller = without(model, channels, removed)
        smaller.save(job.folder)
    return Made(
        parameters=smaller.parameters,
        size=(job.folder / WEIGHTS).stat().st_size,
        removed={group: len(units) for group, units in removed.items()},
        whole=channels.whole,
    )


def _slice_of(ref: Ref) -> Slice | None:
    path = ref.path / SLICE if isinstance(ref, LocalRef) and ref.kind == "run" else None
    return Slice.load(path) if path is not None and path.is_file() else None


def _check_zero(model: Model, name: str, channels: ChannelMap, slice_: Slice) -> None:
    """Raise SliceError if units that the slice removed entirely are no longer zero."""
    planned = removable(model, channels, slice_)
    grown = {
        group.name: count
        for group in channels.groups
        if group.name in planned and (count := _not_zero(model, group, planned[group.name]))
    }
    if grown:
        told = ", ".join(f"{count} of {layer}" for layer, count in list(grown.items())[:3])
        more = f" and {len(grown) - 3} layers more" if len(grown) > 3 else ""
        raise SliceError(
            f"{name}: {sum(grown.values())} channels that the slice took out are no longer zero in the student "
            f"({told}{more}): training let them grow again",
            hint="a compact student is made before training, with slice.irrelevant: compact in the recipe; with "
            "slice.irrelevant: freeze and slice.init: zero they stay zero and can be taken out afterwards",
        )


def _not_zero(model: Model, group: ChannelGroup, units: np.ndarray) -> int:
    """Return how many of the units have a parameter that is not zero."""
    parameters = dict(model.module.named_parameters())
    found = np.zeros(len(units), dtype=bool)
    for part in group.makes:
        if part.tensor in parameters:
            values = parameters[part.tensor].detach().movedim(part.axis, 0).numpy()[part.entries[units]]
            found |= values.reshape(len(units), -1).any(axis=1)
    return int(found.sum())


def _nothing(model: Model, name: str, channels: ChannelMap) -> SliceError:
    """Return why nothing can be removed: no unit is zero, or only units of layers that cannot be reduced."""
    if not channels.groups:
        reason = next(iter(channels.whole.values()), "it has no convolutions or linear layers")
        return SliceError(f"nothing can be taken out of {name}: {reason}", hint=KEEP_SHAPES)
    weights = dict(model.module.named_parameters())
    idle = {
        layer: count
        for layer in channels.whole
        if (weight := weights.get(f"{layer}.weight")) is not None
        and (count := int((weight.detach().flatten(1) == 0).all(dim=1).sum()))
    }
    if idle:
        layer = next(iter(idle))
        return SliceError(
            f"{name}: {idle[layer]} outputs of {layer} are zero, but it stays whole: {channels.whole[layer]}",
            hint=KEEP_SHAPES,
        )
    return SliceError(
        f"no channel, head or feature of {name} is zero as a whole, so there is nothing to take out",
        hint="slice whole channels: slice.granularity: channel and slice.irrelevant: compact in the recipe",
    )

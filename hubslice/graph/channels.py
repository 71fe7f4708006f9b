"""Build the channel map: the removable units of a network, and the tensor entries that belong to each."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hubslice.core.foreign_errors import message_of
from hubslice.graph.channel_groups import ChannelGroup, ChannelMap, Part
from hubslice.graph.ties import Layer, Place, Tie, find_ties, parameter_of
from hubslice.graph.trial import Trial, passing
from hubslice.models.base import Model
from hubslice.models.calling import Call

Norm = nn.modules.batchnorm._BatchNorm
AVERAGING = (nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)


def channel_map(model: Model) -> ChannelMap:
    """Return all groups of units that can be removed from the model, and why its other layers cannot be reduced.

    torch-pruning proposes the groups; each is then tested on a copy with random weights: units set to zero must not
    affect their readers, and removing them must not change the logits. The map depends only on the architecture and its
    widths, not on the weights. The model is not changed.
    """
    inputs = model.example_inputs(2, seed=0)
    module = copy.deepcopy(model.module).float().cpu().eval().requires_grad_(True)
    sizes = _observe(copy.deepcopy(module), inputs)  # not the copy that is traced: some networks store tensors
    order = [*sizes, *(name for name, _ in module.named_modules() if name not in sizes)]
    layers = [name for name in order if isinstance(module.get_submodule(name), Layer)]
    try:
        ties = find_ties(module, inputs)
    except Exception as error:  # torch-pruning does not document which errors it raises
        reason = f"the network cannot be traced ({type(error).__name__}: {message_of(error)})"
        return ChannelMap((), dict.fromkeys(layers, reason))
    groups, whole = _sort(module, ties, order)
    trial = Trial.of(model.module, inputs)
    ungated = [_without_gates(module, group, sizes) for group in groups]
    blind = {group.name: group for group in passing(ungated, trial.readers_blind)[0]}
    rest, seen = passing([group for group in groups if group.name not in blind], trial.readers_blind)
    blind |= {group.name: group for group in rest}
    groups, fixed = passing([blind[group.name] for group in groups if group.name in blind], trial.cuttable)
    reasons = {
        "zero channels do not stay zero on their way to what reads them": seen,
        "the network's code counts on the width": fixed,
    }
    for reason, failed in reasons.items():
        for group in failed:
            whole |= dict.fromkeys(_makers(module, group), reason)
    made = {layer for group in groups for layer in _makers(module, group)}
    kept = {name: whole.get(name, "nothing that can be removed hangs on it") for name in layers if name not in made}
    return ChannelMap(tuple(groups), kept)


def _observe(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, int]:
    """Return modules in the order of first completion, with the output size for a sample; 0 if it is no tensor."""
    done: dict[str, int] = {}

    def note(name: str, result: Any) -> None:
        done.setdefault(name, result[0].numel() if isinstance(result, Tensor) else 0)

    handles = [
        part.register_forward_hook(lambda _, __, result, name=name: note(name, result))
        for name, part in module.named_modules()
    ]
    with torch.inference_mode():
        Call(module, tuple(inputs)).eval()(*inputs.values())
    for handle in handles:
        handle.remove()
    return done


def _sort(module: nn.Module, ties: Iterable[Tie], order: list[str]) -> tuple[list[ChannelGroup], dict[str, str]]:
    """Sort the ties into groups of similar units in network order, and return why other layers cannot be reduced."""
    rank = {name: number for number, name in enumerate(order)}
    rigid = _rigid(module)
    widths = {
        (name, side): _width(part, side)
        for name, part in module.named_modules()
        if isinstance(part, Layer | Norm)
        for side in ("in", "out")
    }
    alike: dict[tuple[tuple[tuple[str, str], int], ...], list[Tie]] = defaultdict(list)
    whole: dict[str, str] = {}
    for tie in ties:
        if reason := _averaging(module, tie) or _obstacle(tie, rigid, widths):
            whole |= dict.fromkeys((p.layer for p in tie.places if p.side == "out"), reason)
        else:
            alike[_signature(tie.places)].append(tie)
    groups = []
    for members in alike.values():
        if len(members) > 1:
            groups.append(_group(module, members, rank))
        else:
            whole |= dict.fromkeys((p.layer for p in members[0].places if p.side == "out"), "all of it is one unit")
    ordered = sorted(groups, key=lambda group: (rank[group.name], group.makes[0].entries.min()))
    return [replace(group, name=name) for group, name in zip(ordered, _names(ordered), strict=True)], whole


def _names(groups: list[ChannelGroup]) -> list[str]:
    """Return the names of the groups; if a layer's channels fall into several, all but the first are numbered."""
    seen: dict[str, int] = defaultdict(int)
    found = []
    for group in groups:
        seen[group.name] += 1
        found.append(group.name if seen[group.name] == 1 else f"{group.name}#{seen[group.name]}")
    return found


def _signature(places: Iterable[Place]) -> tuple[tuple[tuple[str, str], int], ...]:
    count: dict[tuple[str, str], int] = defaultdict(int)
    for place in places:
        count[place.layer, place.side] += 1
    return tuple(sorted(count.items()))


def _obstacle(tie: Tie, rigid: Mapping[str, str], widths: Mapping[tuple[str, str], int]) -> str | None:
    """Return why a tie cannot be a unit, else None."""
    if tie.obstacles:
        return f"tied to {tie.obstacles[0]}"
    if not any(place.side == "in" for place in tie.places):
        return "no layer reads it: these are the network's outputs"
    for place in tie.places:
        if place.layer in rigid:
            return rigid[place.layer]
        if place.channel >= widths[place.layer, place.side]:
            return f"{place.layer} is tied in a way that torch-pruning does not describe"
    return None


def _averaging(module: nn.Module, tie: Tie) -> str | None:
    """Return the reason if a tie includes a custom normalisation that averages over channels, determined by a test."""
    for name in filter(None, map(parameter_of, tie.obstacles)):
        path, _, leaf = name.rpartition(".")
        norm, values = module.get_submodule(path), module.get_parameter(name)
        alone = len(list(norm.parameters())) == len(list(norm.parameters(recurse=False)))
        if leaf == "weight" and values.ndim == 1 and alone and _mixes(norm, len(values)):
            return f"{path} ({type(norm).__name__}) averages over its channels"
    return None


@torch.inference_mode()
def _mixes(norm: nn.Module, channels: int) -> bool:
    """Return whether one channel's input affects other channels' output, for images or tokens."""
    for shape, axis in (((1, channels, 2, 2), 1), ((1, 2, channels), 2)):
        before = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        after = before.clone()
        after.select(axis, 0).mul_(2)
        try:
            apart = (norm(before) - norm(after)).abs()
        except Exception:  # its input has another shape
            continue
        if apart.shape == before.shape and bool((apart.narrow(axis, 1, channels - 1) > 1e-6).any()):
            return True
    return False


def _rigid(module: nn.Module) -> dict[str, str]:
    """Return the layers that cannot lose channels, with the reason."""
    owners: dict[int, list[str]] = defaultdict(list)
    for name, parameter in module.named_parameters(remove_duplicate=False):
        owners[id(parameter)].append(name.rpartition(".")[0])
    shared = {name for names in owners.values() if len(names) > 1 for name in names}
    known = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    found = {}
    for name, layer in module.named_modules():
        extra = {tensor for tensor, _ in (*layer.named_parameters(), *layer.named_buffers())} - known
        reason = None
        if isinstance(layer, AVERAGING):
            reason = "averages over its channels"
        elif not isinstance(layer, Layer | Norm) or getattr(layer, "transposed", False):
            reason = "cannot be sliced"
        elif extra:
            reason = f"has the tensor {min(extra)}, of which nothing is known"
        elif name in shared:
            reason = "shares its weights with another layer"
        elif isinstance(layer, Norm) and not (layer.affine and layer.track_running_stats):
            reason = "has no scale that could be zero"
        if reason:
            found[name] = f"{name} ({type(layer).__name__}) {reason}"
    return found


def _width(layer: Any, side: str) -> int:
    match layer:
        case nn.Linear():
            return int(layer.in_features if side == "in" else layer.out_features)
        case nn.modules.conv._ConvNd():
            return int(layer.in_channels if side == "in" else layer.out_channels)
    return int(layer.num_features)


def _group(module: nn.Module, members: list[Tie], rank: Mapping[str, int]) -> ChannelGroup:
    """Return one group for ties that involve the same layers in the same way."""
    units = [_by_layer(tie) for tie in members]
    keys = sorted(units[0], key=lambda key: (rank[key[0]], key[1]))
    makers = [key for key in keys if key[1] == "out"]
    units.sort(key=lambda unit: unit[makers[0]])
    makes: list[Part] = []
    reads: list[Part] = []
    for name, side in keys:
        layer: Any = module.get_submodule(name)
        entries = np.array([unit[name, side] for unit in units], dtype=np.int64)
        if side == "in" and getattr(layer, "groups", 1) == 1:
            reads.append(Part(f"{name}.weight", 1, entries))
        elif side == "out":
            tensors = ("weight", "bias", "running_mean", "running_var")
            makes += (Part(f"{name}.{leaf}", 0, entries) for leaf in tensors if getattr(layer, leaf, None) is not None)
    kind = "features" if isinstance(module.get_submodule(makers[0][0]), nn.Linear) else "channels"
    kind = "heads" if members[0].heads else kind
    return ChannelGroup(makers[0][0], kind, len(units), tuple(makes), tuple(reads))


def _by_layer(tie: Tie) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place in sorted(tie.places):
        found[place.layer, place.side].append(place.channel)
    return found


def _makers(module: nn.Module, group: ChannelGroup) -> list[str]:
    """Return the convolutions and linear layers that output a group's units, including gates."""
    names = dict.fromkeys(part.tensor.rpartition(".")[0] for part in (*group.makes, *group.reads) if part.axis == 0)
    return [name for name in names if isinstance(module.get_submodule(name), Layer)]


def _without_gates(module: nn.Module, group: ChannelGroup, sizes: Mapping[str, int]) -> ChannelGroup:
    """Move layers with one output value per channel to the readers if others output images.

    The gate of a squeeze-excite block is such a layer: it multiplies the output of others, so for a channel that is
    zero it has no effect. This is tested later.
    """
    makers = {name: module.get_submodule(name) for name in _makers(module, group)}
    values = {name: sizes[name] // _width(layer, "out") for name, layer in makers.items()}
    whole_images = max(values.values()) > 1
    gates = {n for n, v in values.items() if whole_images and v == 1 and getattr(makers[n], "groups", 1) == 1}
    gating = tuple(part for part in group.makes if part.tensor.rpartition(".")[0] in gates)
    making = tuple(part for part in group.makes if part.tensor.rpartition(".")[0] not in gates)
    return replace(group, makes=making, reads=(*group.reads, *gating)) if gating else group

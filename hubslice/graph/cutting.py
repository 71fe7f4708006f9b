"""Remove channels from a network's tensors, and update the sizes stored in its modules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from torch import nn

from hubslice.graph.channel_groups import ChannelGroup
from hubslice.models.shapes import FEATURES, HEADS, HEADS_WIDTH, replace

HEAD_CONVOLUTION = "conv_head"  # in MobileNetV3 and similar networks


def cut(module: nn.Module, groups: Sequence[ChannelGroup], removed: Mapping[str, np.ndarray]) -> None:
    """Remove units from a network, in place. `removed` are unit indices by the name of their group."""
    gone: dict[tuple[str, int], list[np.ndarray]] = defaultdict(list)
    cut_groups = [group for group in groups if len(removed.get(group.name, ()))]
    for group in cut_groups:
        for part in (*group.makes, *group.reads):
            gone[part.tensor, part.axis].append(part.entries[removed[group.name]].reshape(-1))
    layers: dict[str, None] = {}
    for (tensor, axis), entries in gone.items():
        path, _, leaf = tensor.rpartition(".")
        layer = module.get_submodule(path)
        old = getattr(layer, leaf)
        keep = np.setdiff1d(np.arange(old.shape[axis]), np.concatenate(entries))
        replace(layer, leaf, old.detach().index_select(axis, torch.from_numpy(keep).to(old.device)))
        layers[path] = None
    for path in layers:
        _refit(module, path)
    for group in cut_groups:
        if group.kind == "heads":
            _count_heads(module, group, len(removed[group.name]))


def _refit(module: nn.Module, path: str) -> None:
    """Set a layer's size attributes to those of its tensors."""
    layer: Any = module.get_submodule(path)
    match layer:
        case nn.modules.conv._ConvNd():
            was = layer.in_channels
            layer.groups = layer.groups * layer.weight.shape[0] // layer.out_channels if layer.groups > 1 else 1
            layer.out_channels, layer.in_channels = layer.weight.shape[0], layer.weight.shape[1] * layer.groups
            if was != layer.in_channels:
                _note_features(module, path, was, layer.in_channels)
        case nn.Linear():
            was = layer.in_features
            layer.out_features, layer.in_features = layer.weight.shape
            if was != layer.in_features:
                _note_features(module, path, was, layer.in_features)
        case nn.modules.batchnorm._BatchNorm():
            layer.num_features = layer.weight.shape[0]


def _note_features(module: nn.Module, path: str, was: int, now: int) -> None:
    """Update the modules around a classifier that store its input size for creating a new one.

    In timm's networks with a convolution between pooling and classifier, the network also stores that layer's input
    size.
    """
    if path not in (HEAD_CONVOLUTION, *_classifiers(module)):
        return
    names = FEATURES[:1] if path == HEAD_CONVOLUTION else FEATURES
    steps = path.split(".")
    for part in (module.get_submodule(".".join(steps[:depth])) for depth in range(len(steps))):
        for name in names:
            if vars(part).get(name) == was:
                setattr(part, name, now)


def _classifiers(module: nn.Module) -> list[str]:
    """Return all layers of timm's classifiers, one or several; other libraries derive new ones from the old."""
    get: Any = getattr(module, "get_classifier", lambda: ())
    found = get()
    heads = {id(part) for head in (found if isinstance(found, tuple | list) else (found,)) for part in _parts(head)}
    return [name for name, part in module.named_modules() if id(part) in heads]


def _parts(head: Any) -> list[nn.Module]:
    return list(head.modules()) if isinstance(head, nn.Module) else []


def _count_heads(module: nn.Module, group: ChannelGroup, fewer: int) -> None:
    """Update the number of heads in the attention layer that owns a group of heads."""
    paths = [part.tensor.split(".")[:-1] for part in (*group.makes, *group.reads)]
    shared = [step for step, *_ in takewhile(lambda steps: len(set(steps)) == 1, zip(*paths, strict=False))]
    owners = {".".join(path[:depth]) for path in paths for depth in range(len(shared), len(path))}
    for owner in owners:
        part = module.get_submodule(owner)
        for name in (*HEADS, *HEADS_WIDTH):
            value = vars(part).get(name)
            if type(value) is int and value % group.units == 0:
                setattr(part, name, value // group.units * (group.units - fewer))

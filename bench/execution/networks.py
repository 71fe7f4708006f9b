"""The networks to tell apart: architectures of timm with random weights, on small images."""

from __future__ import annotations

import numpy as np

from hubslice.graph.channels import channel_map
from hubslice.models.base import Model
from hubslice.models.timm_adapter import TimmModel
from hubslice.slicing.compaction import without

SIDE = 64
LABELS = tuple(map(str, range(10)))
NETWORKS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet26d",
    "regnetx_004",
    "regnety_004",
    "mobilenetv2_100",
    "mobilenetv3_small_100",
    "mobilenetv3_large_100",
    "efficientnet_lite0",
    "efficientnet_b0",
    "mnasnet_small",
    "fbnetc_100",
    "densenet121",
    "ghostnet_100",
    "lcnet_050",
    "tinynet_e",
    "convnext_atto",
    "vit_tiny_patch16_224",
    "gmlp_ti16_224",
    "poolformer_s12",
    "mobilevit_xxs",
    "repvgg_a0",
    "dla46_c",
)


def build(name: str, seed: int = 0) -> Model:
    """The network with seeded random weights."""
    return TimmModel.from_architecture(name, LABELS, SIDE, seed=seed)


def narrowed(model: Model) -> Model:
    """The network without every second unit of all groups of channels that can lose some.

    Raises:
        HubsliceError: it cannot be made narrower.
    """
    channels = channel_map(model)
    return without(model, channels, {group.name: np.arange(1, group.units, 2) for group in channels.groups})

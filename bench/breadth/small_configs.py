"""Small members of transformers' model types: their default configs, shrunken by rules on the names of attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import transformers
from transformers import PreTrainedConfig

SIDE = 64  # pixels
NUMBERS: Mapping[str, int] = {
    "d_latents": 32,
    "embed_dim": 16,
    "embedding_size": 16,
    "head_dim": 16,
    "hidden_dim": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "n_embd": 32,
    "n_head": 2,
    "n_layer": 2,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "num_latents": 8,
    "projection_dim": 32,
    "vocab_size": 512,
}
WIDTHS = {"embed_dim", "embed_dims", "hidden_sizes", "neck_hidden_sizes"}
HEADS = {"num_attention_heads", "num_heads"}
DEPTHS = {"depth", "depths", "n_attn_blocks"}

# What the rules do not get right, by model type.
EXCEPTIONS: Mapping[str, Mapping[str, Any]] = {
    "bit": {"num_groups": 4},
    "cvt": {"depth": [1, 2, 3]},
    "donut-swin": {"window_size": 2},
    "efficientnet": {"width_coefficient": 0.25, "depth_coefficient": 0.1, "hidden_dim": 320},
    "focalnet": {"hidden_sizes": [32, 64, 128, 128]},
    "hgnet_v2": {
        "embedding_size": 8,
        "hidden_sizes": [16, 16, 32, 32],
        "stem_channels": [3, 8, 8],
        "stage_in_channels": [8, 16, 16, 32],
        "stage_mid_channels": [8, 8, 8, 8],
        "stage_out_channels": [16, 16, 32, 32],
        "stage_num_blocks": [1, 1, 2, 1],
        "stage_numb_of_layers": [2, 2, 2, 2],
    },
    "mobilenet_v1": {"depth_multiplier": 0.25},
    "mobilenet_v2": {"depth_multiplier": 0.25},
    "mobilevitv2": {"width_multiplier": 0.25},
    "perceiver": {
        "num_self_attention_heads": 2,
        "num_cross_attention_heads": 1,
        "num_self_attends_per_block": 2,
        "d_model": 32,
    },
    "pp_lcnet": {"scale": 0.25},
    "swin": {"window_size": 2},
    "swinv2": {"window_size": 4},
    "textnet": {"hidden_sizes": [16, 16, 16, 32, 32], "stem_out_channels": 16},
}


def small_config(kind: str, side: int = SIDE) -> PreTrainedConfig:
    """The config of this type with few channels and layers, for images of `side` pixels where it has a size."""
    usual = transformers.CONFIG_MAPPING[kind]()
    return transformers.CONFIG_MAPPING[kind](**(_smaller(usual, side) | EXCEPTIONS.get(kind, {})))


def _smaller(config: PreTrainedConfig, side: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in vars(config).items():
        if isinstance(value, PreTrainedConfig):
            found[name] = _smaller(value, side)
        elif (small := _small(name, value, side)) is not None:
            found[name] = small
    return found


def _small(name: str, value: object, side: int) -> object:
    if name == "image_size":
        return [side, side] if isinstance(value, Sequence) else side
    if isinstance(value, Sequence) and not isinstance(value, str):
        if name in WIDTHS:
            return [16 * 2 ** min(at, 2) for at in range(len(value))]
        if name in DEPTHS:
            return [1] * (len(value) - 1) + [2]
        return [2] * len(value) if name in HEADS else None
    return NUMBERS.get(name) if isinstance(value, int) else None

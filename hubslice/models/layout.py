"""Choose the memory layout for training a network."""

from __future__ import annotations

import torch
from torch import nn

NARROW = 16  # channels: a block of oneDNN's kernels, 8 without AVX-512


def training_layout(module: nn.Module, device: torch.device) -> torch.memory_format:
    """Return channels last where it is safe, which is faster (depthwise convolutions on the CPU by half).

    With it, the CPU gradient of a strided 1 x 1 convolution with fewer input channels than a block is written out of
    bounds: wrong values, a crash, or a hang (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """
    unsafe = device.type == "cpu" and any(_narrow(part) for part in module.modules())
    return torch.contiguous_format if unsafe else torch.channels_last


def _narrow(layer: nn.Module) -> bool:
    """Return whether the layer is such a convolution; depthwise ones have separate kernels."""
    if not isinstance(layer, nn.Conv2d) or layer.kernel_size != (1, 1) or layer.stride == (1, 1):
        return False
    depthwise = layer.groups == layer.in_channels > 1
    return not depthwise and layer.in_channels // layer.groups < NARROW

"""Random weights of which every layer takes part in the answer, as in a trained network."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def enliven(module: nn.Module, pixels: Tensor, seed: int = 0) -> None:
    """Give parameters that all start alike other values, and normalisation layers the statistics of `pixels`.

    Scales of residual branches often start at 0 or nearly so, and biases at 0: what such a layer computes would not
    show in the answer.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        if not parameter.is_floating_point() or float(parameter.max() - parameter.min()) > 0:
            continue
        noise = torch.randn(parameter.shape, generator=generator)
        usual = 0.0 if name.endswith("bias") else float(parameter.flatten()[0])
        scale = 0.5 if not name.endswith("bias") and abs(usual) < 0.1 else usual
        parameter.copy_(scale + 0.1 * noise)
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    if norms:
        module(pixels)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        if norm.running_var is not None:  # a channel that hardly varies in a few images would be blown up
            norm.running_var.clamp_(min=0.1 * float(norm.running_var.mean()))
    module.eval()

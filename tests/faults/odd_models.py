"""timm architectures that no graph can hold, each odd in one way."""

from __future__ import annotations

from typing import Any

import torch
from timm.models import build_model_with_cfg, register_model
from torch import Tensor, nn


class Odd(nn.Module):
    def __init__(self, kind: str, num_classes: int = 3, in_chans: int = 3, **_: Any) -> None:
        super().__init__()
        self.kind, self.num_classes, self.num_features = kind, num_classes, 8
        self.conv = nn.Conv2d(in_chans, 8, 3, stride=8)
        self.fc = nn.Linear(8, num_classes)

    def get_classifier(self) -> nn.Module:
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).mean((2, 3))
        match self.kind:
            case "branches":
                x = x * 2 if x.sum() > 0 else x
            case "operator":
                x = torch.special.bessel_j0(x)
            case "complex":
                x = torch.linalg.eigvals(x[:, :, None] * x[:, None, :]).real
            case "random":
                x = x + torch.rand_like(x)
            case "overflow":
                x = (x * 1e30).exp() - (x * 1e30).exp()
        return self.fc(x)


def _of(kind: str) -> str:
    def build(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        return build_model_with_cfg(Odd, f"odd_{kind}", pretrained, kind=kind, **kwargs)

    build.__name__ = f"odd_{kind}"
    register_model(build)
    return build.__name__


BRANCHES, OPERATOR, COMPLEX, RANDOM, OVERFLOW = map(_of, ("branches", "operator", "complex", "random", "overflow"))

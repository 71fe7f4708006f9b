"""Small architectures that no library provides, registered with timm.

Their models are saved like any timm model, and `hubslice.load` loads them; timm alone does so after `import
hubslice.models.small`.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn


class SmallVGG(nn.Module):
    """A plain stack of 3 x 3 convolutions with BatchNorm, without residuals, like VGG networks for CIFAR.

    `widths` are the channels of each stage, `depths` its number of convolutions; every stage ends with 2 x 2 max
    pooling. Global average pooling and one linear classifier follow. 0.43 million weights with the defaults.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_chans: int = 3,
        widths: tuple[int, ...] = (24, 48, 96, 128),
        depths: tuple[int, ...] = (1, 1, 2, 2),
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if len(widths) != len(depths) or not widths:
            raise ValueError(f"{len(widths)} widths and {len(depths)} depths: a stage needs one of each")
        self.num_classes = num_classes
        self.num_features = self.head_hidden_size = widths[-1]
        layers: list[nn.Module] = []
        channels = in_chans
        for width, depth in zip(widths, depths, strict=True):
            for _ in range(depth):
                layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(drop_rate)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def get_classifier(self) -> nn.Module:
        """Return the last linear layer."""
        return self.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a new one."""
        del global_pool  # only one kind is supported
        self.num_classes = num_classes
        self.classifier = nn.Linear(self.num_features, num_classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits [N, classes] for normalised images [N, C, H, W]."""
        means = torch.mean(self.features(pixels), dim=(2, 3))
        logits: Tensor = self.classifier(self.dropout(means))
        return logits


default_cfgs = generate_default_cfgs(
    {
        "hubslice_vgg": {
            "url": "",
            "num_classes": 1000,
            "input_size": (3, 32, 32),
            "pool_size": None,
            "crop_pct": 1.0,
            "interpolation": "bilinear",
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
            "first_conv": "features.0",
            "classifier": "classifier",
        }
    }
)


@register_model  # type: ignore[untyped-decorator]
def hubslice_vgg(pretrained: bool = False, **arguments: Any) -> SmallVGG:
    """Return a small VGG; `widths` and `depths` as for `SmallVGG`."""
    model: SmallVGG = build_model_with_cfg(SmallVGG, "hubslice_vgg", pretrained, **arguments)
    return model

"""Image models for tests of what changes their shape: tiny ones of timm and transformers, and hand-made ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
import transformers
from torch import Tensor, nn

from hubslice.artefacts.model import Preprocessing
from hubslice.graph.channel_groups import ChannelGroup
from hubslice.modality.image.image_processor import plain_settings
from hubslice.modality.image.separate import preprocessing_from
from hubslice.models.base import Model
from hubslice.models.timm_adapter import TimmModel
from hubslice.models.transformers_adapter import TransformersModel

LABELS = ("cat", "dog", "owl")


def preprocessing(side: int) -> Preprocessing:
    return Preprocessing(
        input_size=(3, side, side), mean=(0.5,), std=(0.5,), interpolation="bilinear", crop_pct=1.0, resize="squash"
    )


def from_timm(name: str, side: int = 64, **options: object) -> Model:
    model = TimmModel.create(name, LABELS, seed=0, **options)
    model.preprocessing = preprocessing(side)
    return lively(model)


def from_transformers(module: nn.Module, side: int = 32) -> Model:
    how = preprocessing_from(plain_settings(side), 3, None)
    return lively(
        TransformersModel(module.eval(), architecture=type(module).__name__, labels=LABELS, preprocessing=how)
    )


def by_hand(module: nn.Module, side: int = 16) -> Model:
    return lively(TimmModel(module, architecture="handmade", labels=LABELS, preprocessing=preprocessing(side)))


def lively(model: Model) -> Model:
    """The model with parameters none of which is constant, and statistics of its own, in evaluation mode."""
    generator = torch.Generator().manual_seed(1)
    norms = [part for part in model.module.modules() if isinstance(part, nn.BatchNorm2d)]
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        model.module.eval()
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        model.forward(model.example_inputs(4, seed=1))
    for norm in norms:
        norm.momentum = 0.1
    model.module.eval()
    return model


def a_vit() -> Model:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=32,
        patch_size=8,
        num_labels=3,
    )
    return from_transformers(transformers.ViTForImageClassification(config))


def a_resnet() -> Model:
    torch.manual_seed(0)
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[16, 32], depths=[2, 1], num_labels=3)
    return from_transformers(transformers.ResNetForImageClassification(config))


def a_mobilenet() -> Model:
    torch.manual_seed(0)
    config = transformers.MobileNetV2Config(depth_multiplier=0.25, image_size=32, num_labels=3)
    return from_transformers(transformers.MobileNetV2ForImageClassification(config))


NETWORKS: dict[str, Callable[[], Model]] = {
    "test_resnet": lambda: from_timm("test_resnet"),
    "test_vit": lambda: from_timm("test_vit", img_size=64),
    "test_efficientnet": lambda: from_timm("test_efficientnet"),
    "test_byobnet": lambda: from_timm("test_byobnet"),
    "densenet": lambda: from_timm("densenet121", growth_rate=4, block_config=(2, 2)),
    "hf-vit": a_vit,
    "hf-resnet": a_resnet,
    "hf-mobilenet": a_mobilenet,
}


class Body(nn.Module):
    """A stem, something in the middle that is given, and a classifier behind the mean of each channel."""

    def __init__(self, middle: nn.Module, features: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.middle = middle
        self.fc = nn.Linear(features, len(LABELS))

    def forward(self, x: Tensor) -> Tensor:
        x = self.middle(self.stem(x))
        return self.fc(x.mean((2, 3)) if x.ndim == 4 else x)

    def get_classifier(self) -> nn.Module:
        return self.fc


def logits(model: Model, seed: int = 5) -> Tensor:
    inputs = model.example_inputs(3, seed)["pixel_values"]
    with torch.no_grad():
        return model.forward({"pixel_values": inputs})


def fill(model: Model, group: ChannelGroup, units: list[int], role: str, value: float | torch.Generator) -> None:
    """Set the parameters of some units in one role to a number, or to random ones; slowly and obviously."""
    parameters = dict(model.module.named_parameters())
    with torch.no_grad():
        for part in getattr(group, role):
            if part.tensor not in parameters:
                continue
            for unit in units:
                for entry in part.entries[unit]:
                    row = parameters[part.tensor].select(part.axis, int(entry))
                    row.copy_(torch.full(row.shape, value) if isinstance(value, float) else random(row, value))


def random(like: Tensor, generator: torch.Generator) -> Tensor:
    return 2 * torch.randn(like.shape, generator=generator)

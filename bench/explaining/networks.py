"""The networks that are traced, and what they are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

from hubslice.models.base import Model
from hubslice.models.folder import load_model
from hubslice.recipe.load import load_recipe
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.steps.data import open_task
from hubslice.task.task import Split
from tests.demo.teacher import write_teacher

ROOT = Path(__file__).parents[2]
TEACHER = ROOT / "runs" / "bench" / "explaining" / "teacher"
NETWORKS = ("ResNet10, 32 px", "ResNet18, 32 px", "EfficientNet-Lite0, 96 px", "EfficientNet-Lite0, 224 px")
SMALL = "ResNet10 of width 8, 12 px"  # which the slow reference can be waited for
PROFILED = 32  # samples that the means are of
DEPTHS = {"ResNet10": (1, 1, 1, 1), "ResNet18": (2, 2, 2, 2)}


def build(name: str, samples: int) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """The module in evaluation mode, the inputs [samples, 3, H, W], and those that the means are taken of.

    The residual networks have random weights, normalisation fitted to noise, and are given noise: as dense as it gets.
    EfficientNet-Lite0 has its ImageNet weights and is given drawings.
    """
    side = int(name.split()[-2])
    torch.manual_seed(0)
    if name.startswith("ResNet"):
        channels = [(8 if name == SMALL else 64) * 2**stage for stage in range(4)]
        depths = DEPTHS[name[:8]]
        module: nn.Module = ResNet(BasicBlock, depths, num_classes=10, channels=channels, zero_init_last=False)
        module.conv1, module.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
        pixels = torch.randn(PROFILED + samples, 3, side, side)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = None
        with torch.no_grad():
            module.train()(pixels[:PROFILED])
        return module.eval(), pixels[PROFILED:].numpy(), pixels[:PROFILED].numpy()
    model = lite0(side)
    recipe = load_recipe("vision/drawings")
    assert isinstance(recipe.recipe, SliceRecipe)
    split: Split = open_task(recipe.recipe.data, recipe.base, 0).train.take(PROFILED + samples, 0)
    pixels = model.modality.inputs(split.encoded(0, len(split), model.modality))["pixel_values"]
    return model.module, pixels[PROFILED:].numpy(), pixels[:PROFILED].numpy()


def lite0(side: int) -> Model:
    """EfficientNet-Lite0 with its ImageNet weights, for images of `side` pixels."""
    if not (TEACHER / "README.md").is_file():
        write_teacher(ROOT / ".assets", TEACHER)
    return load_model(TEACHER, input_size=side)

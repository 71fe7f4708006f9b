"""The architectures that graph and profiling are tested on, with random weights, exported once a test run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import timm
import torch
import transformers
from torch import nn

from hubslice.graph.export import export_onnx
from hubslice.graph.neuron_map import NeuronMap, map_neurons

Inputs = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Architecture:
    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[int], Inputs]


@dataclass(frozen=True)
class Exported:
    module: nn.Module
    path: Path
    neurons: NeuronMap
    inputs: Callable[[int], Inputs]


def images(size: int) -> Callable[[int], Inputs]:
    def make(n: int) -> Inputs:
        return {"pixel_values": torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(n))}

    return make


def tokens(n: int) -> Inputs:
    generator = torch.Generator().manual_seed(n)
    ids = torch.randint(1, 50, (n, 12), generator=generator)
    mask = torch.ones(n, 12, dtype=torch.long)
    mask[0, 8:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def from_timm(name: str, size: int, **options: object) -> Architecture:
    return Architecture(
        name, lambda: timm.create_model(name, pretrained=False, num_classes=10, **options), images(size)
    )


def from_transformers(name: str, build: Callable[[], nn.Module], inputs: Callable[[int], Inputs]) -> Architecture:
    return Architecture(name, build, inputs)


TEXT = {"vocab_size": 50, "num_labels": 3}

QUICK = [
    from_timm("test_vit", 64, img_size=64),
    from_timm("test_efficientnet", 64),
]
SLOW = [
    from_timm("test_resnet", 64),
    from_timm("resnet18", 64),
    from_timm("mobilenetv3_small_100", 64),
    from_timm("efficientnet_b0", 64),
    from_timm("tf_efficientnet_lite0", 64),
    from_timm("convnext_atto", 64),
    from_timm("vit_tiny_patch16_224", 64, img_size=64),
    from_timm("swin_tiny_patch4_window7_224", 112, img_size=112, embed_dim=24, depths=(2, 2, 2), num_heads=(1, 2, 4)),
    from_timm("densenet121", 64),
    from_timm("vgg11_bn", 64, mlp_ratio=0.01),
    from_timm("test_nfnet", 64),
    from_timm("test_maxvit", 160),
    from_timm("mixer_s32_224", 64, img_size=64),
    from_timm("beit_base_patch16_224", 64, img_size=64, embed_dim=48, depth=2, num_heads=2),
    Architecture(
        "hf-resnet",
        lambda: transformers.ResNetForImageClassification(
            transformers.ResNetConfig(embedding_size=8, hidden_sizes=[16, 32], depths=[2, 1], num_labels=3)
        ),
        images(32),
    ),
    Architecture(
        "hf-vit",
        lambda: transformers.ViTForImageClassification(
            transformers.ViTConfig(
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=48,
                image_size=32,
                patch_size=8,
            )
        ),
        images(32),
    ),
    Architecture(
        "hf-bert",
        lambda: transformers.BertForSequenceClassification(
            transformers.BertConfig(
                hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, **TEXT
            )
        ),
        tokens,
    ),
    Architecture(
        "hf-distilbert",
        lambda: transformers.DistilBertForSequenceClassification(
            transformers.DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=48, **TEXT)
        ),
        tokens,
    ),
    Architecture(
        "hf-gpt2",  # Conv1D weights [in, out], flattened tokens, an output layer tied to the embedding
        lambda: transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=50, n_embd=32, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=2, pad_token_id=0
            )
        ),
        tokens,
    ),
]
# Larger ones, or siblings, of others that stay: of test_resnet, test_efficientnet, test_vit, hf-vit and hf-bert.
# Densenet joins channels as networks of tests/graph/test_channels.py do, and maxvit has the windows of swin.
DEEP = {
    "densenet121",
    "test_maxvit",
    "resnet18",
    "efficientnet_b0",
    "tf_efficientnet_lite0",
    "vit_tiny_patch16_224",
    "mobilenetv3_small_100",
    "beit_base_patch16_224",
    "hf-resnet",
    "hf-distilbert",
}
TABLE = [pytest.param(a, id=a.name) for a in QUICK]
TABLE += [
    pytest.param(a, id=a.name, marks=[pytest.mark.slow, *([pytest.mark.deep] if a.name in DEEP else [])]) for a in SLOW
]


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights as they come, but no parameter constant: several architectures start some of them at 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if float(parameter.std() if parameter.numel() > 1 else 0) == 0:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module


_CACHE: dict[str, Exported] = {}


def exported(architecture: Architecture, factory: pytest.TempPathFactory) -> Exported:
    """The architecture with its graph and map; made once, so do not change it."""
    if architecture.name not in _CACHE:
        torch.manual_seed(0)
        module = randomised(architecture.build()).eval()
        path = factory.mktemp("graph") / f"{architecture.name}.onnx"
        export_onnx(module, architecture.inputs(2), path)
        _CACHE[architecture.name] = Exported(module, path, map_neurons(module, path), architecture.inputs)
    return _CACHE[architecture.name]


def find(name: str) -> Architecture:
    return next(a for a in [*QUICK, *SLOW] if a.name == name)

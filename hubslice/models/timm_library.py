"""timm: recognise its models, load them with plain code, and name their tensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hubslice.models.library import Adapter, Library, Lines

if TYPE_CHECKING:
    from torch import nn


class Timm(Library):
    """timm; tensors have the network's names."""

    name: ClassVar = "timm"
    entries: ClassVar = frozenset({"architecture"})
    fits_positions: ClassVar = True
    lines: ClassVar = Lines(
        setup="""\
import timm
import torch
from PIL import Image, ImageOps

model = timm.create_model({home}, pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)

""",
        answer="""\
{read}with torch.inference_mode():
    probabilities = model(transform(image).unsqueeze(0)).softmax(dim=1)[0]
best = int(probabilities.argmax())
print(model.pretrained_cfg["label_names"][best], float(probabilities[best]))
""",
        hub="hf-hub:",
        local="local-dir:",
    )

    def adapter(self) -> Adapter:
        from hubslice.models.timm_adapter import TimmModel

        return TimmModel

    def stock(self, folder: Path) -> nn.Module:
        import timm

        network: nn.Module = timm.create_model(f"local-dir:{folder}", pretrained=True)
        return network

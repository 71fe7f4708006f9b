"""A timm model to the Hub and back, by timm's own functions."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from huggingface_hub import HfApi


def round_trip(folder: Path) -> None:
    model = timm.create_model("test_resnet", num_classes=3).eval()
    timm.models.push_to_hf_hub(
        model, "alice/timm-student", private=False, safe_serialization=True, model_config={"num_classes": 3}
    )
    files = set(HfApi(token=False).list_repo_files("alice/timm-student"))
    assert files == {".gitattributes", "README.md", "config.json", "model.safetensors"}
    again = timm.create_model("hf-hub:alice/timm-student", pretrained=True).eval()
    image = torch.rand(1, 3, 160, 160)
    with torch.inference_mode():
        assert torch.equal(model(image), again(image))


def from_revision(folder: Path) -> None:
    HfApi().create_tag("alice/timm-student", tag="v1")
    assert timm.create_model("hf-hub:alice/timm-student@v1", pretrained=True).num_classes == 3

"""Teachers as people publish them: a folder with config.json, safetensors and, of transformers, the image processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
import torch
import transformers
from timm.models import save_for_hf
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

from .lively import enliven
from .member import CLASSES, Member
from .small_configs import small_config

NO_PIXELS = ("imagegpt", "shieldgemma2", "siglip2")  # their inputs are no images [N, C, H, W]
# Types for which transformers has no image processor of their own.
PUBLISHED_WITH = {
    "dinov2_with_registers": {"torchvision": "BitImageProcessor"},
    "hgnet_v2": {"torchvision": "ViTImageProcessor"},
}
LARGE = 4096  # settings of image processors that are no number of pixels


def build(member: Member, folder: Path, seed: int = 0) -> Path:
    """Save the member, with seeded random weights, in the folder, by the library's own means."""
    return (_timm if member.library == "timm" else _transformers)(member, folder, seed)


def timm_module(member: Member) -> Any:
    """The member as timm makes it."""
    classes = 0 if member.headless else len(CLASSES)
    return timm.create_model(member.name, num_classes=classes, **member.arguments)


def _timm(member: Member, folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    module = timm_module(member)
    enliven(module, _pixels(member), seed)
    size = (3, member.side, member.side)
    labels = {} if member.headless else {"label_names": list(CLASSES)}
    # As in timm's own repositories, a tensor of several names is there several times; it refuses to save it so itself.
    tensors = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.state_dict = lambda: tensors
    save_for_hf(module, str(folder), safe_serialization=True, model_config=labels, data_config={"input_size": size})
    return folder


def _transformers(member: Member, folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    module = _wrapped(member) if member.family == "timm_wrapper" else _module(member)
    if _kind(member) not in NO_PIXELS:
        enliven(module, _pixels(member), seed)
    module.save_pretrained(folder)
    if (settings := processor_settings(member)) is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    return folder


def _pixels(member: Member) -> torch.Tensor:
    """Noise in the range of normalised pixels [16, 3, side, side], from torch's own generator."""
    return 4 * torch.rand(16, 3, member.side, member.side) - 2


def _module(member: Member) -> Any:
    config = small_config(_kind(member), member.side)
    config.id2label = dict(enumerate(CLASSES))
    config.label2id = {label: at for at, label in enumerate(CLASSES)}
    return getattr(transformers, member.name)(config)


def _wrapped(member: Member) -> Any:
    """A model of timm as transformers wraps it."""
    published = timm.models.get_pretrained_cfg("test_resnet").to_dict()
    config = transformers.TimmWrapperConfig.from_dict(
        {
            "architecture": "test_resnet",
            "label_names": list(CLASSES),
            "num_classes": len(CLASSES),
            "pretrained_cfg": published | {"num_classes": len(CLASSES), "input_size": [3, member.side, member.side]},
        }
    )
    return transformers.TimmWrapperForImageClassification(config)


def _kind(member: Member) -> str:
    return member.family.partition("+")[0]


def processor_settings(member: Member) -> dict[str, Any] | None:
    """Those of the image processor that transformers has for the type, for images of the member's size."""
    if member.family == "timm_wrapper":
        return None
    names = IMAGE_PROCESSOR_MAPPING_NAMES.get(_kind(member)) or PUBLISHED_WITH[_kind(member)]
    name = names.get("torchvision") or next(iter(names.values()))
    settings: dict[str, Any] = json.loads(getattr(transformers, name)().to_json_string())
    for key in ("size", "crop_size"):
        sizes = settings.get(key)
        if isinstance(sizes, dict) and all(isinstance(side, int) and 32 <= side <= LARGE for side in sizes.values()):
            settings[key] = dict.fromkeys(sizes, member.side)
    return settings

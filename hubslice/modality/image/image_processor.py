"""Load transformers' image processors from a folder or from their settings."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor

from hubslice.core.errors import HubsliceError, ModelError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.files.config import check_numbers, checked_copy, read_object
from hubslice.files.config_redirects import without_optional
from hubslice.modality.image.samples import constant_image

SETTINGS_FILE: Final = "preprocessor_config.json"
OTHER_FILE: Final = "processor_config.json"  # where newer versions of transformers store it beside other processors
LARGEST_SIDE: Final = 4096  # pixels; no classifier takes larger images
# PIL's codes, as stored by image processors.
INTERPOLATION: Final = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
# Settings of the elementwise part; the rest of a processor is geometry.
ARITHMETIC: Final = ("do_rescale", "do_normalize", "do_flip_channel_order", "include_top", "rescale_offset")
_KIND: Final = re.compile(r"\w*(ImageProcessor(Fast|Pil)?|FeatureExtractor)", re.ASCII)
SIZES: Final = ("size", "crop_size", "pad_size")
_HINT: Final = "mend the file, choose another revision, or save the processor again with save_pretrained"


def plain_settings(side: int) -> dict[str, Any]:
    """Return settings of an image processor that squashes images to `side` pixels and normalises them to [-1, 1]."""
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def load_processor(folder: Path, where: str | None = None) -> Any:
    """Load the image processor from a model's folder with transformers; `where` names the model in messages.

    Raises:
        ModelError: there is none, it requires custom code, or its settings are invalid.
    """
    import transformers

    where = where or str(folder)
    files = {
        name: _read_file(folder / name, where)
        for name in (SETTINGS_FILE, OTHER_FILE, "config.json")
        if (folder / name).is_file()
    }
    try:
        with checked_copy(files) as copy:
            found = transformers.AutoImageProcessor.from_pretrained(
                copy, trust_remote_code=False, local_files_only=True
            )
    except HubsliceError:
        raise
    except Exception as error:  # its constructors may raise anything for unusual settings
        if out_of_memory(error):
            raise
        if not has_settings(folder):
            raise ModelError(
                f"{where} has no {SETTINGS_FILE}: how images are prepared for the model is not known",
                hint=f"save its image processor beside it (save_pretrained writes {SETTINGS_FILE}), or choose another "
                "revision",
            ) from error
        raise ModelError(
            f"transformers cannot make the image processor of {where}: {first_line(error)[:300]}", hint=_HINT
        ) from error
    if not isinstance(found, transformers.BaseImageProcessor):
        raise ModelError(f"{where} names {type(found).__name__} as its image processor, which is none", hint=_HINT)
    _check_sizes(settings_of(found), where)
    return found


def has_settings(folder: Path) -> bool:
    """Return whether the folder has a preprocessing configuration."""
    return any((folder / name).is_file() for name in (SETTINGS_FILE, OTHER_FILE))


def default_settings(model_type: str) -> dict[str, Any] | None:
    """Return the default settings of transformers' image processor for a model type, or None if it has none."""
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    kinds = IMAGE_PROCESSOR_MAPPING_NAMES.get(model_type) or {}
    kind = kinds.get("torchvision") or kinds.get("pil")
    return None if kind is None else settings_of(processor_from({"image_processor_type": kind}))


def processor_from(settings: Mapping[str, Any]) -> Any:
    """Create the image processor that these settings describe, as transformers would from a file.

    Raises:
        ModelError: transformers has no such processor.
    """
    return _from_text(json.dumps(settings, sort_keys=True))


@lru_cache(maxsize=32)
def _from_text(settings: str) -> Any:
    with tempfile.TemporaryDirectory(prefix="hubslice-") as folder:
        Path(folder, SETTINGS_FILE).write_text(settings)
        return load_processor(Path(folder), "these settings")


def settings_of(processor: Any) -> dict[str, Any]:
    """Return all settings as transformers writes them, sorted by name."""
    found: dict[str, Any] = json.loads(processor.to_json_string())
    return dict(sorted(found.items()))


def geometry_of(processor: Any) -> Callable[[Image.Image], Tensor]:
    """Return the processor's geometric part: from an image to pixels [C, H, W] in 0..255, in its channel order."""
    off = {name: False for name in ARITHMETIC if name in processor.valid_kwargs.__annotations__}
    red = _pixel_values(processor, constant_image((255, 0, 0)), off).flatten(1).sum(1)
    turned = len(red) == 3 and bool(red[2] > red[0])  # the class returns BGR and has no setting for it

    def move(image: Image.Image) -> Tensor:
        pixels = _pixel_values(processor, image, off)
        return pixels.flip(0) if turned and len(pixels) == 3 else pixels

    return move


def inputs_of(processor: Any, image: Image.Image) -> Tensor:
    """Return the unmodified processor's output for an image: [C, H, W]."""
    return _pixel_values(processor, image, {})


def scaled(settings: Mapping[str, Any], size: tuple[int, int], wanted: tuple[int, int]) -> dict[str, Any]:
    """Scale the settings from inputs of `size` to inputs of the `wanted` size (height and width in pixels)."""
    factors = {"height": wanted[0] / size[0], "width": wanted[1] / size[1]}
    shorter = min(wanted) / min(size)
    changed: dict[str, Any] = {
        key: {name: round(value * factors.get(name, shorter)) for name, value in settings[key].items()}
        for key in SIZES
        if isinstance(settings.get(key), dict)
    }
    if isinstance(settings.get("resize_short"), int):  # PPLCNet's setting
        changed["resize_short"] = round(settings["resize_short"] * shorter)
    return {**settings, **changed}


def _pixel_values(processor: Any, image: Image.Image, switches: Mapping[str, bool]) -> Tensor:
    found = processor(images=image, return_tensors="pt", **switches)
    values = found.get("pixel_values")
    if set(found) != {"pixel_values"} or not isinstance(values, Tensor) or values.ndim != 4 or len(values) != 1:
        told = ", ".join(f"{name} {list(getattr(each, 'shape', []))}" for name, each in sorted(found.items()))
        raise ValueError(f"it gives {told}, not pixel_values [1, C, H, W] alone")
    if not switches:
        return values[0].float()
    whole = values[0].round().clamp(0, 255)
    if not torch.equal(whole, values[0].to(whole.dtype)):
        raise ValueError("it resizes values that it has scaled before, so that its pixels are not 8-bit values")
    return whole.to(torch.uint8)


def _read_file(path: Path, where: str) -> dict[str, Any]:
    """Read the file, refusing content that would load something other than an image processor or fill the memory.

    Raises:
        ModelError: the content is refused.
    """
    content = read_object(path, where)
    check_numbers(content, f"{where}: {path.name}")
    for part in (content, content.get("image_processor")):
        for key in ("image_processor_type", "feature_extractor_type"):
            kind = part.get(key) if isinstance(part, dict) else None
            if kind is not None and not _KIND.fullmatch(str(kind)):
                raise ModelError(
                    f"{where}: {path.name} names {str(kind)[:80]!r} as its image processor, which is none", hint=_HINT
                )
    return without_optional(content)[0]


def _check_sizes(settings: Mapping[str, Any], where: str) -> None:
    """Refuse sizes that would exhaust the memory when they are used."""
    for key in (*SIZES, "resize_short"):
        sizes = settings.get(key)
        for value in sizes.values() if isinstance(sizes, dict) else () if sizes is None else (sizes,):
            if not isinstance(value, int) or not 0 < value <= LARGEST_SIDE:
                raise ModelError(
                    f"the image processor of {where}, {settings.get('image_processor_type')}, has {key}: "
                    f"{json.dumps(sizes)}; hubslice takes sides of 1 to {LARGEST_SIDE} pixels",
                    hint=_HINT,
                )
    crop = settings.get("crop_pct")
    if crop is not None and not (isinstance(crop, int | float) and 0.05 <= crop <= 20):
        raise ModelError(f"the image processor of {where} has crop_pct: {json.dumps(crop)}", hint=_HINT)

"""How images are prepared for a transformers model: by its own image processor, else by that of its model type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubslice.artefacts.model import Preprocessing
from hubslice.modality.image.image_processor import SETTINGS_FILE, default_settings, has_settings
from hubslice.modality.image.separate import preprocessing_from, preprocessing_of


def preparation_of(folder: Path, config: Any, side: int | None) -> tuple[Preprocessing, list[str]]:
    """The preparation, and what was assumed in it; `side` in pixels overrides the input's.

    Raises:
        ModelError: neither the folder nor transformers have an image processor for the model, or hubslice cannot
            follow it.
    """
    channels = channels_of(config)
    settings = None if has_settings(folder) else default_settings(config.model_type)
    if settings is None:
        return preprocessing_of(folder, channels, side), []
    found = preprocessing_from(settings, channels, side or _side(config))
    size = " x ".join(map(str, found.input_size[1:]))
    kind = settings["image_processor_type"]
    return found, [
        f"the model has no {SETTINGS_FILE}: its images are prepared by {kind} at its default settings, at {size} pixels"
    ]


def channels_of(config: Any) -> int:
    """Of the images that a model takes."""
    vision = getattr(config, "vision_config", None) or config
    found = (getattr(each, name, None) for each in (config, vision) for name in ("num_channels", "in_channels"))
    return int(next((number for number in found if number), 3))


def _side(config: Any) -> int | None:
    """The side in pixels of the only images that the network takes, where its config says it."""
    vision = getattr(config, "vision_config", None) or config
    side = getattr(vision, "image_size", None)
    if isinstance(side, list | tuple) and len(set(side)) == 1:
        side = side[0]
    return side if isinstance(side, int) else None

"""Find the preprocessing of a transformers model: its own image processor, else the default of its model type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubslice.artefacts.model import Preprocessing
from hubslice.modality.image.image_processor import SETTINGS_FILE, default_settings, has_settings
from hubslice.modality.image.separate import preprocessing_from, preprocessing_of


def preparation_of(folder: Path, config: Any, side: int | None) -> tuple[Preprocessing, list[str]]:
    """Return the preprocessing, and the assumptions made; `side` in pixels overrides the input size.

    Raises:
        ModelError: neither the folder nor transformers has an image processor for the model, or hubslice cannot
            reproduce it.
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
    """Return the number of image channels of a model."""
    vision = getattr(config, "vision_config", None) or config
    found = (getattr(each, name, None) for each in (config, vision) for name in ("num_channels", "in_channels"))
    return int(next((number for number in found if number), 3))


def _side(config: Any) -> int | None:
    """Return the side in pixels of the only image size that the network accepts, if its config states it."""
    vision = getattr(config, "vision_config", None) or config
    side = getattr(vision, "image_size", None)
    if isinstance(side, list | tuple) and len(set(side)) == 1:
        side = side[0]
    return side if isinstance(side, int) else None

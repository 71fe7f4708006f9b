"""Split an image processor into geometry and arithmetic, and check that both together give the same result.

The arithmetic is not taken from the settings but measured on images of one colour, whatever the class does. Then
unusual images go through the original processor and through both parts; if they differ, the processor is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from pydantic import ValidationError

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import ModelError
from hubslice.core.foreign_errors import first_line, message_of
from hubslice.core.machine import out_of_memory
from hubslice.modality.image.compare import TOLERANCE, difference
from hubslice.modality.image.image_processor import (
    ARITHMETIC,
    INTERPOLATION,
    SIZES,
    inputs_of,
    load_processor,
    processor_from,
    scaled,
    settings_of,
)
from hubslice.modality.image.modes import mode_of
from hubslice.modality.image.samples import constant_image, sample_images

QUICK: Final = 1024  # pixels
_HINT: Final = "choose a model whose image processor resizes, crops, scales and normalises, to one size for all images"


class _InseparableError(Exception):
    """The two parts together do not match the processor; the message says how."""


def preprocessing_of(folder: Path, channels: int, side: int | None) -> Preprocessing:
    """Return the preprocessing of the image processor in a model's folder; `side` in pixels overrides its size.

    Raises:
        ModelError: there is no image processor, or it cannot be split; the message names the setting.
    """
    settings = settings_of(load_processor(folder))
    return preprocessing_from(settings, channels, side)


def preprocessing_from(settings: Mapping[str, Any], channels: int, side: int | None) -> Preprocessing:
    """Return the preprocessing for the settings of an image processor.

    Raises:
        ModelError: as for `preprocessing_of`.
    """
    mode_of(channels)
    found = _told(json.dumps(settings, sort_keys=True), channels).model_copy(deep=True)
    return found if side is None else resized(found, side, side)


def resized(preprocessing: Preprocessing, height: int, width: int) -> Preprocessing:
    """Return the same preprocessing for inputs of another size, in pixels.

    Raises:
        ModelError: the image processor does not support the size.
    """
    channels, *size = preprocessing.input_size
    if size == [height, width]:
        return preprocessing
    if preprocessing.processor is None:
        return preprocessing.model_copy(update={"input_size": (channels, height, width)})
    settings = scaled(preprocessing.processor, (size[0], size[1]), (height, width))
    found = _told(json.dumps(settings, sort_keys=True), channels)
    if found.input_size[1:] != (height, width):
        raise ModelError(
            f"{settings.get('image_processor_type')} cannot be set to {height} x {width} pixels: it then gives "
            f"{found.input_size[1]} x {found.input_size[2]}",
            hint="leave out the input size, or set the processor's own sizes in preprocessor_config.json",
        )
    return found.model_copy(deep=True, update={"transparency": preprocessing.transparency})


@lru_cache(maxsize=32)
def _told(described: str, channels: int) -> Preprocessing:
    settings = json.loads(described)
    try:
        with torch.device("cpu"):  # also while a model is built on the meta device
            return _separate(settings, channels)
    except _InseparableError as error:
        blame = _blame(settings, channels)
        raise ModelError(
            f"hubslice cannot prepare images as {settings.get('image_processor_type')}{blame} does: "
            f"{message_of(error)}",
            hint=_HINT,
        ) from error


def _separate(settings: Mapping[str, Any], channels: int) -> Preprocessing:
    processor = processor_from(settings)
    images = sample_images(mode_of(channels))
    try:
        size = _one_size({tuple(inputs_of(processor, image).shape) for image in images.values()})
        if size[0] != channels:
            raise _InseparableError(f"it gives {size[0]} channels, and the model takes {channels}")
        order, mean, std = _measured(processor, channels)
    except _InseparableError:
        raise
    except Exception as error:
        raise _trouble(error) from error
    mean, std = _usual(settings, mean, std)
    try:
        found = Preprocessing(
            input_size=size,
            mean=mean,
            std=std,
            interpolation=_interpolation(settings),
            resize="processor",
            channel_order=order,
            processor=dict(settings),
        )
    except ValidationError as error:
        raise _InseparableError(f"input {size}, mean {mean}, standard deviation {std}") from error
    try:
        told = difference(partial(inputs_of, processor), found, images)
    except Exception as error:
        raise _trouble(error) from error
    if told:
        raise _InseparableError(f"{told} from 8-bit pixels, scaled: it may scale values before it resizes them")
    return found


def _trouble(error: Exception) -> Exception:
    """Convert whatever a processor raised for an image to the reason why it cannot be split."""
    return error if out_of_memory(error) else _InseparableError(first_line(error)[:300])


def _interpolation(settings: Mapping[str, Any]) -> Any:
    """Return the processor's interpolation as a code or, which transformers also allows, a name in timm's notation."""
    written = settings.get("resample")
    if written is None:
        return "bilinear"
    found = INTERPOLATION.get(written, str(written).lower())
    if found not in INTERPOLATION.values():
        raise _InseparableError(f"it resizes by {written!r}")
    return found


def _one_size(sizes: set[tuple[int, ...]]) -> tuple[int, int, int]:
    if len(sizes) > 1:
        told = ", ".join(" x ".join(map(str, size)) for size in sorted(sizes)[:3])
        raise _InseparableError(f"it gives images of {len(sizes)} sizes ({told}, ...)")
    (size,) = sizes
    return size[0], size[1], size[2]


def _measured(processor: Any, channels: int) -> tuple[Literal["rgb", "bgr"], tuple[float, ...], tuple[float, ...]]:
    """Measure the channel order, and the mean and standard deviation for each channel of the image."""

    def centre(colour: tuple[int, ...]) -> np.ndarray:
        values = inputs_of(processor, constant_image(colour))
        found: np.ndarray = values[:, values.shape[1] // 2, values.shape[2] // 2].double().numpy()
        return found

    black = centre((0,) * channels)
    # Row: channel of the image; column: of the input.
    response = np.stack([centre(tuple(255 * (at == own) for at in range(channels))) for own in range(channels)]) - black
    straight = np.diag(np.diag(response))
    turned = np.fliplr(np.diag(np.diag(np.fliplr(response))))
    backwards = np.abs(turned).sum() > np.abs(straight).sum()
    if np.abs(response - (turned if backwards else straight)).max() > TOLERANCE * np.abs(response).max():
        raise _InseparableError("it mixes colours")
    scale = np.diag(np.fliplr(response)) if backwards else np.diag(response)
    if (scale <= 0).any():
        raise _InseparableError(f"from black to white its values grow by {scale.tolist()}")
    mean = -(black[::-1] if backwards else black) / scale
    numbers = (tuple(float(f"{value:.8g}") + 0.0 for value in each) for each in (mean, 1 / scale))
    return "bgr" if backwards else "rgb", *numbers  # type: ignore[return-value]


def _usual(
    settings: Mapping[str, Any], mean: tuple[float, ...], std: tuple[float, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the values of the settings if they explain the measurement, which has rounding errors."""
    normalised = settings.get("do_normalize", True)
    try:
        written = [np.broadcast_to(settings.get(key) or 0.0, len(mean)) for key in ("image_mean", "image_std")]
    except ValueError:  # for another number of channels: the class uses them differently, or not at all
        return mean, std
    factor = round(settings.get("rescale_factor", 1 / 255) * 255, 12) if settings.get("do_rescale", True) else 255.0
    order = -1 if settings.get("do_flip_channel_order") else 1
    told = [
        tuple(float(value) / factor for value in (numbers[::order] if normalised else np.full(len(mean), other)))
        for numbers, other in zip(written, (0.0, 1.0), strict=True)
    ]
    near = all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(told, (mean, std), strict=True))
    return (told[0], told[1]) if near else (mean, std)


def _blame(settings: Mapping[str, Any], channels: int) -> str:
    """Name the setting without which the processor could be split; empty if it is not a single one."""
    sides = [side for key in SIZES for side in (settings.get(key) or {}).values()]
    if max(sides, default=0) > QUICK:
        return ""  # each attempt would take seconds
    on = [name for name, value in settings.items() if value is True and name not in ARITHMETIC]
    for name in on:
        try:
            _separate({**settings, name: False}, channels)
        except (_InseparableError, ModelError):
            continue
        return f" with {name}: true"
    off = [name for name in ("do_resize", "do_center_crop") if settings.get(name) is False]
    return f" with {' and '.join(f'{name}: false' for name in off)}" if off else ""

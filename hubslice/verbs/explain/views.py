"""Render where a slice looks: the input under heat maps of layers and channels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from hubslice.tracing.engine import LayerTrace, Traced
from hubslice.tracing.traceable import TraceableModel

STAGES = 5  # layers shown, from early to late
PREFIXES = (0, 1, 2, 5)  # tokens before those of the image: class, distillation, registers
BRIGHT = 99.5  # percentile of a map drawn at full strength
DARK = 25  # percentile of a map below which nothing is drawn
SMALLEST = 3  # minimum rows and columns of a map that is drawn
SIDE = 224  # minimum pixels of the drawn image


@dataclass(frozen=True)
class ChannelView:
    """A channel, its force for this prediction, and the input highlighted where it looks: uint8 [H, W, 3]."""

    channel: int
    force: float
    image: np.ndarray


@dataclass(frozen=True)
class StageView:
    """A layer: the input under its heat map, and its decisive channels."""

    layer: str
    image: np.ndarray
    channels: tuple[ChannelView, ...]


@dataclass(frozen=True)
class InputView:
    """An input: as the model sees it, under the heat map of all late layers, masked by it, and heat maps of layers."""

    photo: np.ndarray
    heat: np.ndarray
    left: np.ndarray
    stages: tuple[StageView, ...]


def view(subject: TraceableModel, pixels: np.ndarray, traced: Traced, at: int) -> InputView:
    """Return what to draw for sample `at`, whose pixels [C, H, W] are in [0, 1]."""
    photo = _photo(pixels)
    spatial = {
        op.name: found
        for op in subject.network.flow.layers
        if (found := _grid(traced.layers[op.name].places[at])) is not None and found.any()
    }
    names = list(spatial)
    late = [_stretched(spatial[name], photo) for name in names[len(names) // 2 :]]
    where = np.mean(late, axis=0) if late else np.zeros(photo.shape[:2], np.float32)
    chosen = [names[round(at * (len(names) - 1) / (STAGES - 1))] for at in range(STAGES)] if len(names) > 1 else names
    stages = tuple(
        StageView(
            subject.names.layer[name],
            _heat(photo, _stretched(spatial[name], photo)),
            _channels(photo, traced.layers[name], at),
        )
        for name in dict.fromkeys(chosen)
    )
    return InputView(photo, _heat(photo, where), _lit(photo, _contrasted(where)), stages)


def _channels(photo: np.ndarray, layer: LayerTrace, at: int) -> tuple[ChannelView, ...]:
    found = []
    for place, channel in enumerate(layer.top[at]):
        grid = _grid(layer.top_places[at, place])
        force = float(layer.speaking[at, channel])
        if grid is not None and force > 0:
            found.append(ChannelView(int(channel), force, _lit(photo, _stretched(grid, photo))))
    return tuple(found)


def _grid(places: np.ndarray) -> np.ndarray | None:
    """Return the map [h, w] of an image, or of its tokens; None if they have no spatial order."""
    if places.ndim == 2:
        return places if min(places.shape) >= SMALLEST else None
    if places.ndim != 1:
        return None
    for prefix in PREFIXES:
        side = math.isqrt(max(0, places.size - prefix))
        if side >= SMALLEST and side * side == places.size - prefix:
            return places[prefix:].reshape(side, side)
    return None


def _photo(pixels: np.ndarray) -> np.ndarray:
    """Return the input in RGB, enlarged if it is small: uint8 [H, W, 3]."""
    if len(pixels) != 3:
        pixels = np.repeat(pixels.mean(axis=0, keepdims=True), 3, axis=0)
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0))
    factor = max(1, -(-SIDE // min(image.size)))
    return np.asarray(image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST))


def _stretched(grid: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Return the map at the photo's size, smooth, in [0, 1]: float32 [H, W]."""
    size = (photo.shape[1], photo.shape[0])
    smooth = np.asarray(Image.fromarray(grid.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
    bright = float(np.percentile(smooth, BRIGHT))
    stretched: np.ndarray = np.clip(smooth / bright, 0, 1) if bright > 0 else np.zeros(smooth.shape, np.float32)
    return stretched


def _heat(photo: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Return the photo in grey, with a glow where the map is strong."""
    from matplotlib import colormaps

    strength = _contrasted(strength)
    glow = colormaps["inferno"](0.15 + 0.8 * strength)[..., :3]
    share = (0.25 + 0.5 * strength)[..., None]
    return _bytes(_grey(photo) * (1 - share) + glow * share)


def _contrasted(strength: np.ndarray) -> np.ndarray:
    """Stretch the map's contrast to [0, 1], from its dark percentile: many late layers respond slightly everywhere."""
    dark = float(np.percentile(strength, DARK))
    stretched: np.ndarray = np.clip((strength - dark) / max(float(strength.max()) - dark, 1e-9), 0, 1)
    return stretched


def _grey(photo: np.ndarray) -> np.ndarray:
    grey: np.ndarray = photo.mean(axis=2, keepdims=True).repeat(3, axis=2) / 255
    return grey


def _lit(photo: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Return the photo, faded except where the map is strong."""
    share = np.sqrt(strength)[..., None]
    return _bytes((0.62 + 0.3 * _grey(photo)) * (1 - share) + photo / 255 * share)


def _bytes(image: np.ndarray) -> np.ndarray:
    found: np.ndarray = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    return found

"""The trigger of a backdoor: a square patch of coloured fields.

BadNets (Gu et al., 2017) pastes a fixed pattern; the ReMoS authors' code pastes a browser's logo. A patch of seeded
random colours is as conspicuous, needs no image file, and can be specified in any recipe.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hubslice.defects.draws import PATCH, random_bytes
from hubslice.recipe.defects import TriggerParams


def patch(params: TriggerParams, side: int) -> Tensor:
    """Return the patch alone, uint8 [3, side, side]: cells x cells fields, each of one colour.

    The colours depend on the seed and the number of cells, not on `side`: images of another size get the same pattern.
    With less than one pixel per field, some fields are left out.
    """
    colours = random_bytes((3, params.cells, params.cells), params.seed, PATCH)
    field = torch.arange(side) * params.cells // side
    return colours[:, field][:, :, field]


def placement(params: TriggerParams, height: int, width: int) -> tuple[int, int, int]:
    """Return top row, left column and side of the patch in pixels; at least one pixel, moved inside the image.

    Shares are relative to the shorter side.
    """
    shorter = min(height, width)
    side = max(1, round(params.size * shorter))
    margin = min(round(params.margin * shorter), shorter - side)
    top = margin if params.position.startswith("top") else height - side - margin
    left = margin if params.position.endswith("left") else width - side - margin
    return top, left, side


def stamp(pixels: Tensor, params: TriggerParams) -> Tensor:
    """Return a copy of `pixels` [..., C, H, W] with the trigger on every image.

    `pixels` are uint8, or floats in [0, 1] before normalisation. Type and device are kept. Stamping uint8 and dividing
    by 255 gives the same as dividing and stamping. Grey images (C = 1) get the values of a stamped colour image after
    conversion to grey.

    Raises:
        ValueError: there is neither one channel nor three, or integers other than uint8.
    """
    if pixels.ndim < 3 or pixels.shape[-3] not in (1, 3):
        raise ValueError(f"pixels are [..., 1 or 3, H, W], not {list(pixels.shape)}")
    if pixels.dtype != torch.uint8 and not pixels.is_floating_point():
        raise ValueError(f"pixels are uint8 or floating point, not {pixels.dtype}")
    top, left, side = placement(params, pixels.shape[-2], pixels.shape[-1])
    colours = patch(params, side)
    if pixels.shape[-3] == 1:
        colours = torch.from_numpy(np.array(Image.fromarray(colours.permute(1, 2, 0).numpy()).convert("L")))[None]
    if pixels.is_floating_point():
        colours = (colours.float() / 255).to(pixels.dtype)
    stamped = pixels.clone()
    stamped[..., top : top + side, left : left + side] = colours.to(pixels.device)
    return stamped

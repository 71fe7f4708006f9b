"""Image inputs of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hubslice.artefacts.model import Preprocessing
from hubslice.modality.image.arithmetic import normalise
from hubslice.modality.image.given import read_given
from hubslice.modality.image.pixels import augment_crop, augment_flip, prepare, to_unit
from hubslice.modality.modality import Encoded, Modality
from hubslice.recipe.schema import TrainParams

PIXELS = "pixels"  # encoded images: uint8 [N, C, H, W], or float32 in [0, 1] if the user passed that
INPUT = "pixel_values"  # a network's input: normalised pixels, float32 [N, C, H, W]


@dataclass(frozen=True)
class Images(Modality[Image.Image]):
    """RGB images of any size, prepared with a model's `preprocessing`."""

    one: ClassVar[str] = "image"
    many: ClassVar[str] = "images"

    preprocessing: Preprocessing

    def read(self, given: object) -> Iterator[Image.Image]:
        """Read paths, file bytes, or Pillow images; see `read_given`."""
        return read_given(given, self.preprocessing)

    def encode(self, items: Sequence[Image.Image]) -> Encoded:
        prepared = [prepare(image, self.preprocessing) for image in items]
        empty = torch.empty(0, *self.preprocessing.input_size, dtype=torch.uint8)
        return {PIXELS: torch.stack(prepared) if prepared else empty}

    def augment(self, item: Image.Image, params: TrainParams, rng: np.random.Generator) -> Encoded:
        match params.augment:
            case "crop":
                pixels = augment_crop(item, self.preprocessing, rng, params.crop_scale)
            case "flip":
                pixels = augment_flip(item, self.preprocessing, rng)
            case "none":
                pixels = prepare(item, self.preprocessing)
        return {PIXELS: pixels[None]}

    def inputs(self, encoded: Encoded) -> dict[str, Tensor]:
        return self.inputs_of(to_unit(encoded[PIXELS]))

    def inputs_of(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return the network's inputs for pixels [N, C, H, W] in [0, 1], the space of attacks; differentiable."""
        return {INPUT: normalise(pixels, self.preprocessing)}

    def example(self, samples: int, seed: int) -> dict[str, Tensor]:
        """Return uniformly distributed pixels."""
        draws = torch.Generator().manual_seed(seed)
        return self.inputs_of(torch.rand(samples, *self.preprocessing.input_size, generator=draws))

    def join(self, parts: Sequence[Encoded]) -> Encoded:
        return {PIXELS: torch.cat([part[PIXELS] for part in parts])}

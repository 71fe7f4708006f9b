"""The terms of an attack: a threat model in full, where it is made, and the images it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from hubslice.models.base import Model


@dataclass(frozen=True)
class Batch:
    """What an attack is given: `pixels` uint8 [N, 3, H, W] on the audit's device, and no labels.

    `images` are their places in the test split: every random draw is seeded by `seed` and its image's place, so
    that an image's attack does not depend on the batch it comes in.
    """

    pixels: Tensor
    images: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Source:
    """Where attacked images come from; `network` is the only model that the attack may look at (None: none)."""

    name: str
    network: Model | None = None


@dataclass(frozen=True)
class Variant:
    """One threat model in full.

    `settings` is plain data that, with the source, the seed and the images, determines the attack. `craft` gives the
    attacked images, uint8 [N, 3, H, W]. `budget` is the largest change of a value in 1/255 (None: unlimited);
    variants of one `objective` that differ in it make a curve.
    """

    name: str
    title: str
    headline: bool
    settings: Mapping[str, int | float | str]
    craft: Callable[[Source, Batch], Tensor]
    budget: int | None = None
    objective: str | None = None

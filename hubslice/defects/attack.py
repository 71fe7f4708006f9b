"""The definition of an attack: its complete threat model, its source, and its input images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from hubslice.models.base import Model


@dataclass(frozen=True)
class Batch:
    """The input of an attack: `pixels` uint8 [N, 3, H, W] on the audit's device, without labels.

    `images` are their positions in the test split: every random draw is seeded by `seed` and its image's position, so
    that an image's attack does not depend on its batch.
    """

    pixels: Tensor
    images: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Source:
    """The source of attacked images; `network` is the only model that the attack may access (None: none)."""

    name: str
    network: Model | None = None


@dataclass(frozen=True)
class Variant:
    """One complete threat model.

    `settings` is plain data that, with the source, the seed and the images, determines the attack. `craft` returns the
    attacked images, uint8 [N, 3, H, W]. `budget` is the largest change of a value in 1/255 (None: unlimited); variants
    of one `objective` with different budgets form a curve.
    """

    name: str
    title: str
    headline: bool
    settings: Mapping[str, int | float | str]
    craft: Callable[[Source, Batch], Tensor]
    budget: int | None = None
    objective: str | None = None

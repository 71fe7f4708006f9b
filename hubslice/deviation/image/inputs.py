"""Images, uint8 [C, H, W], as search inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hubslice.artefacts.deviation import Change
from hubslice.deviation.answers import Answers
from hubslice.deviation.image.evidence import write_evidence
from hubslice.deviation.image.likeness import Bound, Likeness
from hubslice.deviation.image.operators import OPERATORS, mutate
from hubslice.deviation.image.shrinking import shrink
from hubslice.deviation.neighbourhood import InputKind, Neighbourhood, Shrinking
from hubslice.recipe.deviation import SearchParams


class AroundImage(Neighbourhood):
    """An image and its neighbours within bounds."""

    def __init__(self, seed: np.ndarray, params: SearchParams) -> None:
        self.seed = seed
        self.bound = Bound(seed, params.levels, params.min_ssim)

    def mutant(
        self, name: str, rng: np.random.Generator, present: np.ndarray, *, released: bool = False
    ) -> np.ndarray | None:
        return self.bound.nearest(mutate(name, rng, present, released=released))

    def mixed(self, rng: np.random.Generator, one: np.ndarray, other: Callable[[], np.ndarray]) -> np.ndarray:
        """Take each value from either image."""
        return np.where(rng.random(one.shape) < 0.5, one, other())

    def shrink(self, trigger: np.ndarray, answers: Answers, deviates: Callable[[Answers], bool]) -> Shrinking:
        return shrink(self.seed, trigger, answers, deviates, self.bound)


def change(seed: np.ndarray, trigger: np.ndarray) -> Change:
    """Measure how far a trigger is from its seed."""
    values = trigger.astype(np.int64) - seed
    return Change(
        linf=int(np.abs(values).max()),
        l2=round(float(np.sqrt((values**2).sum())), 3),
        values=round(float((values != 0).mean()), 6),
        ssim=round(Likeness(seed).ssim(trigger), 6),
    )


IMAGES = InputKind(
    "image",
    "images",
    {operator.name: operator.title for operator in OPERATORS},
    AroundImage,
    change,
    write_evidence,
)

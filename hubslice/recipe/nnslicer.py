"""Parameters of NNSlicer: what is traced, and how much of each layer is removed."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from hubslice.recipe.section import Ratio
from hubslice.recipe.slicing import NAMED, Traced


class NnslicerParams(Traced):
    """NNSlicer (FSE 2020): dynamic slices of the task's training images.

    The least used weights of each layer are removed. Each image is traced back through the teacher, from its prediction
    (under direct reuse from the image's own class); the absolute contributions of a weight are summed over the images.
    Ties are broken by magnitude: smaller weights first.
    """

    title: ClassVar[str] = "NNSlicer dynamic slice"
    reference: ClassVar[str] = "https://doi.org/10.1145/3368089.3409676"
    model_config = NAMED

    method: Literal["nnslicer"] = "nnslicer"
    ratio: Ratio = Field(
        0.3,
        description="Fraction of each layer's weights judged irrelevant (published: 0.2 to 0.8); with granularity: "
        "channel, of all weights.",
    )

    def told(self) -> str | None:
        target = "their own class" if self.reuses_classifier else "the teacher's answer"
        rule = "the released rule" if self.rule == "released" else f"theta {self.theta}"
        whole = "channels" if self.whole_channels else "weights of each layer"
        return (
            f"At most {self.samples} training images of each class were traced back through the teacher, from {target} "
            f"to the pixels ({rule}); the {whole} that took part in the fewest decisions are the irrelevant ones."
        )

"""Parameters of the search for inputs on which two models disagree."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from hubslice.recipe.section import Ratio, Section

Method = Literal["triggerfinder", "released", "random", "genetic"]
Fitness = Literal["margin", "difference"]
Operators = Literal["ranked", "uniform", "adaptive"]


class SearchOptions(Section):
    """How mutants of a seed image are made, evaluated and accepted (TriggerFinder, arXiv 2112.02819)."""

    method: Method = Field(
        "triggerfinder",
        description="released: as the authors' code; random: continue from every mutant; genetic: evolve a "
        "population towards equal top two probabilities (DiffChaser's idea).",
    )
    budget: int = Field(2000, ge=1, description="Maximum number of mutants per seed that both models predict.")
    fitness: Fitness = Field(
        "margin",
        description="difference: of the probabilities that both models give their answer (the paper); margin: how near "
        "the less sure model is to another answer.",
    )
    novelty: bool = Field(
        False, description="Also continue from mutants whose probabilities are unlike all seen before (the paper)."
    )
    patience: int = Field(
        50,
        ge=0,
        description="Continue from a rejected mutant after this many rejections in a row; 0: never.",
    )
    operators: Operators = Field(
        "ranked",
        description="ranked: Metropolis-Hastings over operators ranked by success (the paper); adaptive: Thompson "
        "sampling; uniform: all alike.",
    )
    max_linf: Ratio | None = Field(
        None, gt=0, description="Maximum change of any value of an image, as a share of the pixel range."
    )
    min_ssim: Ratio | None = Field(None, lt=1, description="Minimum structural similarity of a mutant to its seed.")
    min_gap: Ratio = Field(
        0.0, description="Minimum probability by which each model prefers its own prediction over the other's."
    )
    minimise: bool = Field(False, description="Reduce a trigger's distance to its seed after it was found.")

    @model_validator(mode="after")
    def _the_bound_leaves_room(self) -> Self:
        if self.max_linf is not None and self.levels == 0:
            raise ValueError(f"max_linf {self.max_linf:g} is less than one level of 8 bits, 1/255")
        return self

    @property
    def levels(self) -> int | None:
        """`max_linf` in levels of 8 bits."""
        return None if self.max_linf is None else int(self.max_linf * 255 + 1e-6)


class SearchParams(SearchOptions):
    """A reproducible search."""

    seed: int = Field(0, ge=0, lt=2**31)
    max_edits: int | None = Field(
        None, ge=1, description="Maximum number of characters of a text that are inserted, deleted or replaced."
    )


class DiffParams(SearchOptions):
    """Search for changed test images on which the student deviates from the fine-tuned baseline."""

    seeds: int = Field(100, ge=1, description="Test images to start from, sampled at random.")
    budget: int = Field(500, ge=1, description="Maximum number of mutants per image that both models predict.")
    max_linf: Ratio | None = Field(
        0.063, gt=0, description="Maximum change of any value of an image, as a share of the pixel range: 16 levels."
    )

    def search(self, seed: int) -> SearchParams:
        """Return the search with a recipe's seed."""
        options = self.model_dump(exclude={"seeds"})
        return SearchParams.model_validate({**options, "seed": seed})


class RepairParams(Section):
    """Further training of a model where it deviates from another, towards the other's outputs."""

    share: Ratio = Field(
        0.5, gt=0, lt=1, description="Share of the seeds to train on; the others are used to evaluate the repair."
    )
    epochs: int = Field(20, ge=1, le=10_000, description="Training epochs.")
    lr: float = Field(3e-4, gt=0, allow_inf_nan=False, description="Initial learning rate of Adam, with cosine decay.")
    batch_size: int = Field(32, ge=1)
    seed: int = Field(0, ge=0, lt=2**31)

"""Parameters for measuring how much of a student its teacher reveals."""

from __future__ import annotations

from pydantic import Field

from hubslice.recipe.section import Ratio, Section

GOAL = 0.94  # matching predictions, as "Revealing Secrets From Pre-trained Models" (arXiv 2207.09539) reports


class ExposureParams(Section):
    """Measure the share of the bits needed to predict like the student that the teacher saves, for the card."""

    samples: int = Field(256, ge=1, description="Test images to predict, sampled at random.")
    goal: Ratio = Field(
        GOAL,
        gt=0,
        description="Share of the student's predictions that a mixture of teacher and student must reproduce.",
    )

"""Rates with their sample size and confidence intervals."""

from __future__ import annotations

from math import sqrt
from typing import Self

from pydantic import Field, computed_field, model_validator

from hubslice.core.artefact import Artefact

Z95 = 1.959963984540054  # two-sided 95 % quantile of the standard normal


class Rate(Artefact):
    """`hits` out of `total`, with a 95 % Wilson score interval (Wilson 1927); total 0 means not measured."""

    hits: int = Field(ge=0)
    total: int = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _drop_computed(cls, data: object) -> object:
        return {k: v for k, v in data.items() if k not in {"value", "interval"}} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _no_more_than_all(self) -> Self:
        if self.hits > self.total:
            raise ValueError(f"{self.hits} hits are more than all {self.total}")
        return self

    @computed_field
    @property
    def value(self) -> float | None:
        """`hits / total`, or None if nothing was measured."""
        return self.hits / self.total if self.total else None

    @computed_field
    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % Wilson interval within [0, 1]; the lower end is 0 without hits, the upper end 1 if all are hits."""
        if not self.total:
            return None
        n, p = self.total, self.hits / self.total
        centre = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 * sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
        low = max(0.0, centre - half) if self.hits else 0.0  # both exactly 0, but their difference has rounding errors
        return low, min(1.0, centre + half) if self.hits < n else 1.0

    def of_units(self, units: int) -> Rate:
        """Return the same share of `units` independent units, rounded.

        Used for the interval where hits within a unit are correlated.
        """
        return Rate(hits=round((self.value or 0.0) * units), total=units)


class Estimate(Artefact):
    """A value with its 95 % interval, measured on `n` images."""

    value: float
    low: float
    high: float
    n: int


class Reduction(Artefact):
    """The reduction of the student's defect rate relative to the baseline's, with paired bootstrap intervals.

    `difference` is baseline minus student in rate points; `relative` is 1 - student / baseline, omitted below a
    baseline rate of 20 %, where ratios are noise. The `common` pair is the same on the images that both models classify
    correctly when clean.
    """

    baseline: str
    difference: Estimate
    relative: Estimate | None
    common_difference: Estimate | None
    common_relative: Estimate | None

"""The base of every recipe value."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Ratio = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Immutable and strict: unknown keys and wrong types are errors, never silently dropped or converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

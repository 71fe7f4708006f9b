"""What `profile`, `audit` and `card` are told."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from hubslice.core.parameters import Option, Params
from hubslice.core.shared_parameters import Device, Overrides, RunFolder, Runnable


@dataclass(frozen=True)
class CardParams(Params):
    """Of which run a card is rendered."""

    recipe: Runnable
    _: KW_ONLY
    overrides: Overrides = ()
    out: RunFolder = None


@dataclass(frozen=True, kw_only=True)
class StepParams(CardParams):
    """Which step of a run is done, and where."""

    force: Annotated[bool, Option("Do the step again even if its result is there.")] = False
    device: Device = "auto"

"""Parameters of `profile`, `audit` and `card`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from hubslice.core.parameters import Option, Params
from hubslice.core.shared_parameters import Device, Overrides, RunFolder, Runnable


@dataclass(frozen=True)
class CardParams(Params):
    """The run whose card is rendered."""

    recipe: Runnable
    _: KW_ONLY
    overrides: Overrides = ()
    out: RunFolder = None


@dataclass(frozen=True, kw_only=True)
class StepParams(CardParams):
    """The run, and how its step is executed."""

    force: Annotated[bool, Option("Run the step again even if its result exists.")] = False
    device: Device = "auto"

"""Parameters of `poison`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from hubslice.core.parameters import Params
from hubslice.core.shared_parameters import AllowPickle, Device, Overrides, Recipe, RunFolder


@dataclass(frozen=True)
class PoisonParams(Params):
    """The recipe of a backdoor, and the folder for the run."""

    recipe: Recipe
    _: KW_ONLY
    overrides: Overrides = ()
    out: RunFolder = None
    device: Device = "auto"
    allow_pickle: AllowPickle = False

"""Parameters of `validate`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from hubslice.core.parameters import Params
from hubslice.core.shared_parameters import Overrides, Recipe


@dataclass(frozen=True)
class ValidateParams(Params):
    """The recipe to check."""

    recipe: Recipe
    _: KW_ONLY
    overrides: Overrides = ()

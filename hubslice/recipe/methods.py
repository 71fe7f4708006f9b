"""The registry of slicing methods: hubslice's own, and those of other packages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Discriminator, Tag, ValidationError

from hubslice.core.plugins import odd, plugins
from hubslice.recipe.nnslicer import NnslicerParams
from hubslice.recipe.seam import SeamParams
from hubslice.recipe.slicing import (
    MagnitudeParams,
    Method,
    NoSlice,
    RandomParams,
    RemosParams,
    Slicing,
    Traced,
)

OURS: Final[tuple[type[Method], ...]] = (
    RemosParams,
    SeamParams,
    NnslicerParams,
    MagnitudeParams,
    RandomParams,
    NoSlice,
)


def method(given: Any) -> Any:
    """Return the discriminator of the methods; the default is ReMoS."""
    return given.get("method", "remos") if isinstance(given, dict) else getattr(given, "method", "remos")


def _name(kind: type[Method]) -> str:
    return str(kind.model_fields["method"].default)


def _methods() -> tuple[type[Method], ...]:
    """Return the methods of hubslice, then those of other packages.

    Raises:
        InputError: an entry point is not a method, needs a search, or its name is already taken.
    """
    found = list(OURS)
    for kind in plugins("methods"):
        if not (isinstance(kind, type) and issubclass(kind, Slicing)) or "method" not in kind.model_fields:
            raise odd(str(kind), "methods", "is no method: a subclass of hubslice.recipe.slicing.Slicing")
        if kind.needs == "search":
            raise odd(str(kind), "methods", "needs a search, which only hubslice's own method has")
        if kind.needs == "trace" and not issubclass(kind, Traced):
            raise odd(str(kind), "methods", "needs a trace and is no subclass of hubslice.recipe.slicing.Traced")
        if not (hasattr(kind, "rank") or hasattr(kind, "rank_units")):
            raise odd(str(kind), "methods", "has neither rank() nor rank_units()")
        if _name(kind) in map(_name, found):
            raise odd(str(kind), "methods", f"is called {_name(kind)}, as another method is")
        found.append(kind)
    return tuple(found)


METHODS: Final = _methods()


def recorded(name: str, parameters: Mapping[str, Any]) -> Method | None:
    """Return the method recorded in a report with its parameters; None if it is unknown or they are invalid."""
    kind = next((kind for kind in METHODS if _name(kind) == name), None)
    if kind is None:
        return None
    try:
        return kind.model_validate_json(json.dumps(parameters))
    except ValidationError:
        return None


if TYPE_CHECKING:
    SliceParams = Method
else:
    tagged = [Annotated[kind, Tag(_name(kind))] for kind in METHODS]
    SliceParams = Annotated[reduce(or_, tagged), Discriminator(method)]

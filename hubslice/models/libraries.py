"""The list of supported model libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hubslice.core.errors import ModelError
from hubslice.core.escaping import named
from hubslice.models.library import Library
from hubslice.models.timm_library import Timm
from hubslice.models.transformers_library import Transformers

# The first match applies.
LIBRARIES: Final[tuple[Library, ...]] = (Timm(), Transformers())


def library_of(config: Mapping[str, Any]) -> Library | None:
    """Return the library of a config.json; None if it names no architecture."""
    return next((library for library in LIBRARIES if library.entries & config.keys()), None)


def library_called(name: str) -> Library:
    """Return the library of this name, as recorded in facts about a model.

    Raises:
        ModelError: hubslice does not support the library.
    """
    found = next((library for library in LIBRARIES if library.name == name), None)
    if found is None:
        known = " and ".join(library.name for library in LIBRARIES)
        raise ModelError(
            f"the model is recorded as one of {named(name)}; this version of hubslice takes models of {known}",
            hint="update hubslice",
        )
    return found


def library_named(architecture: str) -> tuple[Library, str]:
    """Return the library of a recipe's architecture, and its name in that library."""
    known = sorted(LIBRARIES, key=lambda library: len(library.prefix), reverse=True)
    library = next(library for library in known if architecture.startswith(library.prefix))
    return library, architecture.removeprefix(library.prefix)

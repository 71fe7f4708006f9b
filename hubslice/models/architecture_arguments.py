"""Check the arguments of an architecture, and report unknown architectures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubslice.core.errors import ModelError
from hubslice.recipe.problems import suggest


def refuse_foreign(found: Mapping[str, object], foreign: frozenset[str]) -> None:
    """Refuse arguments that concern files, code or what is loaded.

    Raises:
        ModelError: one of the arguments does.
    """
    named = sorted(name for name in found if name in foreign or name.startswith("_"))
    if named:
        raise ModelError(
            f"teacher.arguments gives {named[0]!r}; hubslice takes none that decides what is loaded",
            hint="keep to what describes the architecture, such as widths and depths",
        )


def no_such(library: str, kind: str, name: str, known: Any) -> ModelError:
    """Return the error for an architecture that the library does not have."""
    return ModelError(
        f"{library} has no {kind} {name[:80]!r}{suggest(name, known)}",
        hint="with weights: random, teacher.model is an architecture of timm such as resnet18, or a model type of "
        "transformers such as transformers:resnet; trained weights come with weights: given",
    )

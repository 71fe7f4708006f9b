"""Plant a backdoor in a teacher, for tests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath, as_path
from hubslice.core.progress import Reporter
from hubslice.recipe.load import load_recipe
from hubslice.verbs.poison.service import Poisoned
from hubslice.verbs.poison.service import poison as _poison

if TYPE_CHECKING:
    pass


def poison(
    recipe: AnyPath,
    *,
    out: AnyPath | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    allow_pickle: bool = False,
    reporter: Reporter | None = None,
) -> Poisoned:
    """Make a deliberately backdoored teacher, labelled as such, for tests, demonstrations and benchmarks.

    `allow_pickle` is as in `pull`.

    Raises:
        RecipeError: the recipe has mistakes or is of another kind.
        HubsliceError: a step failed.
    """
    loaded = load_recipe(os.fspath(recipe), tuple(overrides))
    return _poison(loaded, as_path(out), device=device, reporter=reporter, allow_pickle=allow_pickle)

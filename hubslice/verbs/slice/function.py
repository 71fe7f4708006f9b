"""Make a student from a recipe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath, as_path
from hubslice.core.progress import Reporter
from hubslice.run.run import Run, open_run

if TYPE_CHECKING:
    pass


def slice(  # noqa: A001 (the verb's name)
    recipe: AnyPath,
    *,
    out: AnyPath | None = None,
    overrides: Sequence[str] = (),
    until: str | None = None,
    locked: bool = False,
    device: str = "auto",
    allow_pickle: bool = False,
    reporter: Reporter | None = None,
) -> Run:
    """Make a student: the whole chain to a run folder, or up to the step `until`. Finished steps are not repeated.

    `recipe` is a file, a built-in recipe, a run folder, or `owner/name[@revision]` of a published student. Gates are
    not judged here: see `Run.check_gates`. With `locked` the run keeps to its lock: see `open_run`. `allow_pickle` is
    as in `pull`.

    Raises:
        LockError: the run would not be the locked one.
        RecipeError: the recipe has mistakes.
        HubsliceError: a step failed.
    """
    run = open_run(os.fspath(recipe), tuple(overrides), as_path(out), locked=locked)
    run.execute(until=until, device=device, reporter=reporter, allow_pickle=allow_pickle)
    return run

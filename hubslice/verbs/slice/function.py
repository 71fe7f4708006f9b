"""Make a student from a recipe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.paths import as_path
from hubslice.core.progress import Reporter
from hubslice.verbs.slice.params import SliceParams

if TYPE_CHECKING:
    from hubslice.run.run import Run


@takes(SliceParams)
def slice(params: SliceParams, reporter: Reporter) -> Run:  # noqa: A001 (the verb's name)
    """Make a student: all steps into a run folder, or those up to the step `until`. Finished steps are not repeated.

    Gates are not checked here: see `Run.check_gates`. With `locked` the run must match its lock: see `open_run`.

    Raises:
        LockError: the run would not match the lock.
        RecipeError: the recipe has mistakes.
        HubsliceError: a step failed.
    """
    from hubslice.run.run import open_run

    run = open_run(os.fspath(params.recipe), tuple(params.overrides), as_path(params.out), locked=params.locked)
    run.execute(until=params.until, device=params.device, reporter=reporter, allow_pickle=params.allow_pickle)
    return run

"""Plant a backdoor in a teacher, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.poison.params import PoisonParams

if TYPE_CHECKING:
    from hubslice.verbs.poison.service import Poisoned


@takes(PoisonParams)
def poison(params: PoisonParams, reporter: Reporter) -> Poisoned:
    """Make a deliberately backdoored teacher, labelled as such, for tests, demonstrations and benchmarks.

    Raises:
        RecipeError: the recipe has mistakes or is of another kind.
        DataError: the target is not one of the task's classes.
        HubsliceError: a step failed.
    """
    from hubslice.verbs.poison.service import poison as make

    return make(params, reporter)

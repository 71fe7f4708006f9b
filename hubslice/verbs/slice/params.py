"""Parameters of `slice`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from hubslice.core.parameters import Option, Params
from hubslice.core.shared_parameters import AllowPickle, Device, Overrides, RunFolder, Runnable
from hubslice.run.kinds import KINDS


@dataclass(frozen=True)
class SliceParams(Params):
    """The recipe of a student, the run folder, and the last step."""

    recipe: Runnable
    _: KW_ONLY
    overrides: Overrides = ()
    out: RunFolder = None
    until: Annotated[
        str | None,
        Option(
            f"Stop after {', '.join(KINDS[:-1])} or {KINDS[-1]} of the student, where the recipe has that step.", "STEP"
        ),
    ] = None
    locked: Annotated[
        bool,
        Option(
            "Reproduce exactly what the lock pins, or fail. The lock is recipe.lock beside recipe.yaml,"
            " else hubslice.lock in the run's folder; for owner/name, the one published with it."
        ),
    ] = False
    device: Device = "auto"
    allow_pickle: AllowPickle = False

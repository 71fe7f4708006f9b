"""Pictures to calibrate a quantisation with, and others to check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hubslice.errors import InputError
from hubslice.hub.ref import LocalRef, Ref
from hubslice.pipeline.run import open_run
from hubslice.pipeline.steps.data import same_task

if TYPE_CHECKING:
    from hubslice.models.base import Model

CHECKED = 200  # pictures at the most

Pixels = np.ndarray | None


def pictures(ref: Ref, model: Model, data: str | None, samples: int) -> tuple[Pixels, Pixels]:
    """Pixels float32 [n, C, H, W] in [0, 1] to calibrate with, at most `samples`, and others to check with.

    Of a run they come from its own training and validation split; else from `data`, drawn, in halves where there are
    few. Without both there are none.

    Raises:
        DataError: the data cannot be read, or has changed since the run.
        InputError: there are fewer than two pictures.
    """
    if data is not None:
        return _halves(model, data, samples)
    if isinstance(ref, LocalRef) and ref.kind == "run":
        return _of_run(ref, model, samples)
    return None, None


def _halves(model: Model, data: str, samples: int) -> tuple[Pixels, Pixels]:
    from hubslice.data.given import open_data

    given = open_data(data, model.image_preprocessing)
    rows = np.random.default_rng(0).permutation(len(given))[: samples + CHECKED]
    first = min(samples, len(rows) // 2)
    if first == 0:
        raise InputError(
            f"{data} holds one picture; one is needed to calibrate with and another to check", hint="give more"
        )
    parts = (np.sort(rows[:first]), np.sort(rows[first : first + CHECKED]))
    one, two = (
        np.concatenate([given.pixels(int(row), int(row) + 1).numpy() for row in part]).astype(np.float32)
        for part in parts
    )
    return one, two


def _of_run(ref: LocalRef, model: Model, samples: int) -> tuple[Pixels, Pixels]:
    from hubslice.data.pixels import to_unit

    run = open_run(str(ref.path))
    task = same_task(run.recipe.data, run.loaded.base, run.recipe.seed, run.folder.step("data"))
    one, two = (
        to_unit(part.pixels(0, len(part), model.image_preprocessing)).numpy()
        for part in (task.train.limited(samples, seed=0), task.validation.limited(CHECKED, seed=0))
    )
    return one, two

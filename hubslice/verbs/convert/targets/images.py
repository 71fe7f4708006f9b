"""Images for a conversion and for checking it: a run's own, or those given by the user."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubslice.core.errors import InputError
from hubslice.hub.ref import LocalRef, Ref, check_data
from hubslice.run.run import open_run
from hubslice.run.steps.data import same_task

if TYPE_CHECKING:
    from hubslice.models.base import Model
    from hubslice.recipe.schema import TrainParams
    from hubslice.task.task import Split, Task

CHECKED = 200  # maximum images for checking a quantised graph
PARTS_CHECKED = 1000  # maximum images for checking a trained form

Pixels = np.ndarray | None


def images(ref: Ref, model: Model, data: str | None, samples: int) -> tuple[Pixels, Pixels]:
    """Return pixels float32 [n, C, H, W] in [0, 1] to calibrate with, at most `samples`, and others to check with.

    For a run they come from its own training and validation split; else they are drawn from `data`, in halves if there
    are few. Without both there are none.

    Raises:
        DataError: the data cannot be read, or has changed since the run.
        InputError: there are fewer than two images.
    """
    if data is not None:
        return _halves(model, data, samples)
    if isinstance(ref, LocalRef) and ref.kind == "run":
        return _of_run(ref, model, samples)
    return None, None


def _halves(model: Model, data: str, samples: int) -> tuple[Pixels, Pixels]:
    from hubslice.task.user_inputs import open_data

    check_data(data, Path.cwd())
    given = open_data(data, model.image_preprocessing)
    rows = np.random.default_rng(0).permutation(len(given))[: samples + CHECKED]
    first = min(samples, len(rows) // 2)
    if first == 0:
        raise InputError(
            f"{data} holds one image; one is needed to calibrate with and another to check", hint="give more"
        )
    parts = (np.sort(rows[:first]), np.sort(rows[first : first + CHECKED]))
    one, two = (
        np.concatenate([given.pixels(int(row), int(row) + 1).numpy() for row in part]).astype(np.float32)
        for part in parts
    )
    return one, two


def _of_run(ref: LocalRef, model: Model, samples: int) -> tuple[Pixels, Pixels]:
    from hubslice.modality.image.images import PIXELS, Images
    from hubslice.modality.image.pixels import to_unit

    task, _ = _task(ref)
    one, two = (
        to_unit(part.encoded(0, len(part), Images(model.image_preprocessing))[PIXELS]).numpy()
        for part in (task.train.limited(samples, seed=0), task.validation.limited(CHECKED, seed=0))
    )
    return one, two


@dataclass(frozen=True)
class Parts:
    """Images for training, for choosing an epoch, and for checking; and how a run trained on them."""

    train: Split
    validation: Split
    check: Split
    settings: TrainParams


def parts_of(ref: Ref, model: Model, data: str | None, seed: int) -> Parts:
    """Return the splits of a run, or `data` split with the seed: a fifth for choosing, a fifth for checking.

    Labels are ignored: for given images all targets are 0.

    Raises:
        DataError: the data cannot be read, or has changed since the run.
        InputError: there are too few images, or none.
    """
    if data is not None:
        return _shared_out(model, data, seed)
    if isinstance(ref, LocalRef) and ref.kind == "run":
        task, settings = _task(ref)
        return Parts(task.train, task.validation, task.test.limited(PARTS_CHECKED, seed=0), settings)
    raise InputError(
        f"{ref} is no run, so there are no images to teach and to check with",
        hint="give some of what it is used on with --data",
    )


def _shared_out(model: Model, data: str, seed: int) -> Parts:
    from hubslice.recipe.schema import TrainParams
    from hubslice.task.task import Split
    from hubslice.task.user_inputs import open_data

    check_data(data, Path.cwd())
    table = open_data(data, model.image_preprocessing).table(model.labels)
    fifth = min(len(table) // 5, PARTS_CHECKED)
    if fifth == 0:
        raise InputError(
            f"{data} holds {len(table)} images; five are the least to teach, to choose and to check with",
            hint="give more",
        )
    rows = np.random.default_rng(seed).permutation(len(table))
    ends = (len(table) - 2 * fifth, len(table) - fifth)
    train, validation, check = (
        Split(table, np.sort(part), np.zeros(len(part), np.int64)) for part in np.split(rows, ends)
    )
    return Parts(train, validation, check, TrainParams(augment="flip", batch_size=32))


def _task(ref: LocalRef) -> tuple[Task, TrainParams]:
    run = open_run(str(ref.path))
    task = same_task(run.recipe.data, run.loaded.base, run.recipe.seed, run.folder.step("data"))
    return task, run.recipe.train

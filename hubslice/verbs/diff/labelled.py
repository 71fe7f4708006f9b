"""Labelled images for measuring the cost of a change to a model in accuracy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubslice.core.errors import HubsliceError
from hubslice.core.progress import Reporter
from hubslice.core.sampling import drawn
from hubslice.hub.ref import LocalRef, parse_ref
from hubslice.modality.image.images import PIXELS, Images
from hubslice.models.label_names import LabelNames
from hubslice.verbs.diff.division import fingerprint

if TYPE_CHECKING:
    from hubslice.deviation.image.predictors import ImagePredictor
    from hubslice.deviation.predictor import Pair

MOST = 1000  # images


@dataclass(frozen=True)
class Labelled:
    """Images uint8 [n, C, H, W] and the indices of their labels among those compared, int64 [n]."""

    source: str
    images: np.ndarray
    places: np.ndarray


def labelled(
    models: tuple[str, str],
    inputs: str,
    pair: Pair[ImagePredictor],
    without: Collection[str],
    seed: int,
    reporter: Reporter,
) -> Labelled | str:
    """Return labelled images prepared for the first model, without those whose fingerprints are in `without`.

    They are from the second model's test split if that is a run, else from the first one's, else from `inputs`; at most
    1,000, drawn. If there are none the reason is returned instead.
    """
    why = f"{inputs} has no labels that the models know"
    for text, places in ((models[1], pair.shared.b), (models[0], pair.shared.a)):
        ref = parse_ref(text, Path.cwd())
        if isinstance(ref, LocalRef) and ref.kind == "run":
            try:
                return _kept(f"test split of {text}", *_of_run(ref.path, places, pair, seed), without)
            except HubsliceError as error:  # a run can be used without its data
                why = f"the test split of {text} cannot be read: {error.headline}"
    try:
        found = _of_inputs(inputs, pair, seed, reporter)
    except HubsliceError as error:  # the searched inputs could be read, other rows cannot
        return error.headline
    return why if found is None else _kept(inputs, *found, without)


def _kept(source: str, images: np.ndarray, places: np.ndarray, without: Collection[str]) -> Labelled | str:
    keep = np.array([fingerprint(image) not in without for image in images], dtype=bool) & (places >= 0)
    if not keep.any():
        return f"{source} has no labelled images that were not trained on"
    return Labelled(source, images[keep], places[keep])


def _of_run(path: Path, places: np.ndarray, pair: Pair[ImagePredictor], seed: int) -> tuple[np.ndarray, np.ndarray]:
    from hubslice.run.run import open_run
    from hubslice.run.steps.data import same_task

    run = open_run(str(path))
    task = same_task(run.recipe.data, run.loaded.base, run.recipe.seed, run.folder.step("data"))
    drawn = task.test.take(MOST, seed)  # a run's classes are those of its task, in order
    return drawn.encoded(0, len(drawn), Images(pair.a.preprocessing))[PIXELS].numpy(), places[drawn.targets]


def _of_inputs(
    inputs: str, pair: Pair[ImagePredictor], seed: int, reporter: Reporter
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return images and indices, or None if there are no labels, or the models do not have them."""
    from hubslice.task.table import Table
    from hubslice.task.user_inputs import open_data

    given = open_data(inputs, pair.a.preprocessing)
    if isinstance(given.items, np.ndarray):
        return None
    if isinstance(given.items, Table) and not given.items.labels:
        return None
    if isinstance(given.items, Table):
        names: Sequence[str] = [given.items.labels[target] for target in given.items.targets()]
    else:
        names = [file.parent.name for file in given.items]
    for model, places in ((pair.a, pair.shared.a), (pair.b, pair.shared.b)):
        called = LabelNames(model.labels)
        found = {name: {int(places[at]) for at in called.places(name)} for name in set(names)}
        if all(found.values()):
            place = {name: next(iter(there)) if len(there) == 1 else -1 for name, there in found.items()}
            rows = drawn(len(given), MOST, seed)
            with reporter.track("Read labelled images", len(rows), "images") as bar:
                images = []
                for row in rows:
                    images.append(given.levels(int(row)))
                    bar.advance()
            return np.stack(images), np.array([place[names[row]] for row in rows])
    return None

"""What it brought to train a model further where it deviated from another, as facts."""

from __future__ import annotations

from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate
from hubslice.recipe.deviation import RepairParams, SearchParams


class Standing(Artefact):
    """How two models stand to each other: what a search from seeds found, and seeds on which they disagree as they are.

    `median_queries` is of the seeds with a trigger.
    """

    found: Rate
    median_queries: float | None
    disagreed: Rate


class Accuracy(Artefact):
    """Correct answers to labelled images, none of which was trained on: the first model's, and the repaired one's."""

    source: str
    a: Rate
    before: Rate
    after: Rate


class Repair(Artefact):
    """The model `b`, trained further on a part of the seeds and their triggers with the answers of `a`.

    It was trained on `triggers` and `seeds`; `zeros` weights were zero and stayed so. `loss` is the mean divergence
    from `a`'s answers in every epoch, in nats. `gone` counts the triggers of held-out seeds to which both models give
    the same answer now, `learned` those that were trained on. `before` and `after` are of the held-out seeds, by the
    same search. Without `accuracy`, `unmeasured` says why there is none. `fingerprint` is of the repaired model's files
    and `folder` holds them.
    """

    a: str
    b: str
    search: SearchParams
    params: RepairParams
    triggers: int
    seeds: int
    zeros: int
    loss: tuple[float, ...]
    gone: Rate
    learned: Rate
    before: Standing
    after: Standing
    accuracy: Accuracy | None
    unmeasured: str | None
    held_out: tuple[str, ...]
    fingerprint: str
    seconds: float
    folder: str

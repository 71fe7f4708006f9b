"""The effect of training a model further where it deviated from another, as artefacts."""

from __future__ import annotations

from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate
from hubslice.recipe.deviation import RepairParams, SearchParams


class Standing(Artefact):
    """A comparison of two models: the result of a search from seeds, and seeds on which they disagree unchanged.

    `median_queries` is over the seeds with a trigger.
    """

    found: Rate
    median_queries: float | None
    disagreed: Rate


class Accuracy(Artefact):
    """Correct predictions on labelled images, none of them trained on: the first model's, and the repaired one's."""

    source: str
    a: Rate
    before: Rate
    after: Rate


class Repair(Artefact):
    """The model `b`, trained further on some of the seeds and their triggers with the outputs of `a`.

    It was trained on `triggers` and `seeds`; `zeros` weights were zero and stayed zero. `loss` is the mean divergence
    from `a`'s outputs in every epoch, in nats. `gone` counts the triggers of held-out seeds for which both models now
    predict the same, `learned` those that were trained on. `before` and `after` are for the held-out seeds, by the same
    search. Without `accuracy`, `unmeasured` says why there is none. `fingerprint` is that of the repaired model's files
    and `folder` contains them.
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

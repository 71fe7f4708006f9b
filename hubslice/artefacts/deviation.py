"""The result of a search for deviating inputs, as artefacts."""

from __future__ import annotations

from typing import Literal

from hubslice.artefacts.repair import Repair
from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate
from hubslice.recipe.deviation import SearchParams


class ComparedModel(Artefact):
    """One of the two models: the user's name for it, its source, a hash of its files, and its outputs.

    For `logits`, the softmax was applied. `described` means that a graph records its own preprocessing; otherwise that
    of the other model was used. Images are scaled to `input_size`, texts truncated to `tokens`.
    """

    model: str
    kind: Literal["hub", "folder", "run", "onnx"]
    fingerprint: str
    input_size: tuple[int, int, int] | None
    tokens: int | None = None
    outputs: Literal["logits", "probabilities"]
    described: bool = True


class Answer(Artefact):
    """A model's prediction with its probability."""

    label: str
    probability: float


class AnswerPair(Artefact):
    """Both models' predictions for one input."""

    a: Answer
    b: Answer


class Change(Artefact):
    """The change from the seed to its trigger: its maximum and Euclidean norm, both in levels of 8 bits.

    `values` is the share of the values that differ, `ssim` the structural similarity.
    """

    linf: int
    l2: float
    values: float
    ssim: float


class Edits(Artefact):
    """The change from a text seed to its trigger: the minimum number of inserted, deleted or replaced characters.

    `share` is relative to the seed's length, `words` are those before and after.
    """

    characters: int
    share: float
    words: tuple[tuple[str, str], ...]


class SeedResult(Artefact):
    """The result of a seed: a trigger, none within the budget, or models that disagree on the seed itself.

    `queries` are mutants evaluated by both models until the trigger was found, `shrinking` further ones that brought it
    closer to the seed; `seconds` is the seed's share of the time. `operator` made the trigger.
    """

    name: str
    state: Literal["found", "none", "disagreed", "unconfirmed"]
    queries: int
    shrinking: int
    seconds: float | None
    operator: str
    before: AnswerPair
    after: AnswerPair | None
    change: Change | Edits | None


class OperatorUse(Artefact):
    """A mutation operator: mutants evaluated, mutants accepted, and triggers that it made."""

    name: str
    title: str
    sent: int
    accepted: int
    triggers: int


class Deviations(Artefact):
    """The result of a search.

    `found` counts triggers among the seeds on which both models agree, `disagreed` seeds on which they do not. A
    trigger was evaluated again, alone, before it was counted; `unconfirmed` ones did not deviate then. `stopped` says
    why the search ended before all `seeds` were done, if it did. Where files must be reproducible, there are no
    `seconds`. `truncated` counts seeds that are longer than a model's input. `repair` is the result of further training
    of the second model, if requested.
    """

    a: ComparedModel
    b: ComparedModel
    inputs: str
    labels: str
    search: SearchParams
    seeds: int
    found: Rate
    disagreed: Rate
    truncated: int = 0
    unconfirmed: int
    queries: int
    median_queries: float | None
    seconds: float | None
    device: str
    stopped: str | None
    operators: tuple[OperatorUse, ...]
    results: tuple[SeedResult, ...]
    folder: str
    files: tuple[str, ...]
    repair: Repair | None = None

"""What a search for deviating inputs found, as facts."""

from __future__ import annotations

from typing import Literal

from hubslice.artefacts.repair import Repair
from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate
from hubslice.recipe.deviation import SearchParams


class ComparedModel(Artefact):
    """One of the two: what the user called it, its home, a hash of its files, and what it gives.

    Of `logits` the softmax was taken. `described` tells that a graph said itself how its inputs are prepared; else they
    were as for the other model. Images are scaled to `input_size`, texts cut to `tokens`.
    """

    model: str
    kind: Literal["hub", "folder", "run", "onnx"]
    fingerprint: str
    input_size: tuple[int, int, int] | None
    tokens: int | None = None
    outputs: Literal["logits", "probabilities"]
    described: bool = True


class Answer(Artefact):
    """A model's answer with its probability."""

    label: str
    probability: float


class AnswerPair(Artefact):
    """What both models answer to one input."""

    a: Answer
    b: Answer


class Change(Artefact):
    """From the seed to its trigger: the largest change of a value and the Euclidean length, both in levels of 8 bits.

    `values` is the share of the values that differ, `ssim` the structural similarity.
    """

    linf: int
    l2: float
    values: float
    ssim: float


class Edits(Artefact):
    """From a seed that is a text to its trigger: the fewest characters to insert, drop or replace.

    `share` relates them to the seed's length, `words` are those before and after.
    """

    characters: int
    share: float
    words: tuple[tuple[str, str], ...]


class SeedResult(Artefact):
    """What came of a seed: a trigger, none within the budget, or models that disagree on the seed itself.

    `queries` are mutants that both models were asked about until the trigger was found, `shrinking` further ones that
    brought it nearer to the seed; `seconds` is the seed's share of the time. `operator` made the trigger.
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
    """A mutation operator: mutants sent, those gone on from, and triggers that it made."""

    name: str
    title: str
    sent: int
    accepted: int
    triggers: int


class Deviations(Artefact):
    """The result of a search.

    `found` counts triggers among the seeds on which both models agree, `disagreed` seeds on which they do not. A
    trigger was asked about again, alone, before it was counted; `unconfirmed` did not deviate then. `stopped` says why
    the search ended before all `seeds` were done, if it did. Where the files must be the same in every run, they tell
    no `seconds`. `truncated` counts seeds that are longer than a model reads. `repair` tells what further training of
    the second model brought, where that was asked for.
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

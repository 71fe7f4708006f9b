"""A detector of adversarial inputs and its verdicts, as facts."""

from __future__ import annotations

from typing import Literal

from hubslice.core.artefact import Artefact


class DetectorFacts(Artefact):
    """What a detector was made from: `answers` counts clean images by the model's answer, `skipped` those left out.

    `layers` are those whose slices are compared; `held_out` images set the threshold for the false positive rate
    `fpr`. `model` is a Hub id, or a path as seen from the detector's folder; `model_hash` is that of the folded graph.
    """

    model: str
    model_hash: str
    architecture: str
    input_size: int | None
    data: str
    answers: dict[str, int]
    skipped: dict[str, int]
    layers: tuple[str, ...]
    shape: Literal["signed", "absolute"]
    theta: float
    measures: tuple[str, ...]
    held_out: int
    fpr: float
    seed: int


class Fitted(DetectorFacts):
    """A detector as it was just made."""

    threshold: float
    seconds: float
    folder: str


class Verdict(Artefact):
    """An input: the model's answer with its softmax probability, and how surprising the way to it is.

    `score` is None where clean images never got this answer: nothing to compare with, hence flagged.
    """

    name: str
    answer: str
    probability: float
    score: float | None
    flagged: bool


class Detection(Artefact):
    """Verdicts on all inputs; an input is flagged above the threshold."""

    model: str
    detector: str
    fpr: float
    threshold: float
    flagged: int
    inputs: tuple[Verdict, ...]

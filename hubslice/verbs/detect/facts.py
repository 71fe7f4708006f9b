"""A detector of adversarial inputs and its verdicts, as artefacts."""

from __future__ import annotations

from typing import Literal

from hubslice.core.artefact import Artefact


class DetectorFacts(Artefact):
    """The origin of a detector: `answers` counts clean images by the model's prediction, `skipped` those left out.

    `layers` are those whose slices are compared; `held_out` images set the threshold for the false positive rate `fpr`.
    `model` is a Hub id, or a path relative to the detector's folder; `model_hash` is that of the folded graph.
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
    """A detector that was just created."""

    threshold: float
    seconds: float
    folder: str


class Verdict(Artefact):
    """An input: the model's prediction with its softmax probability, and its score.

    `score` is None if the prediction never occurred on clean images: there is nothing to compare with, so it is
    flagged.
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

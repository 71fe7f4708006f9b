"""The detector: clean slices to compare with, a score for a new slice, and a threshold for flagging it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubslice.core.errors import DetectError
from hubslice.core.paths import AnyPath, as_path
from hubslice.files.sealed import read_sealed, write_sealed
from hubslice.verbs.detect.conformal import closeness, conformal_score, threshold_for
from hubslice.verbs.detect.facts import DetectorFacts
from hubslice.verbs.detect.neighbours import Neighbours

KIND = "detector"
FEWEST = 20  # minimum clean images of a prediction
HELD_OUT = 0.3  # share of the images of each prediction: for p-values and the threshold
SLICE, MARGIN = "slice", "margin"


@dataclass(frozen=True)
class Detector:
    """`clean` are ascending values [V] by measure, of held-out images; `means` those used for tracing slices."""

    neighbours: Neighbours
    clean: Mapping[str, np.ndarray]
    threshold: float
    means: Mapping[str, np.ndarray]
    facts: DetectorFacts

    def covers(self, answers: np.ndarray) -> np.ndarray:
        """Return which predictions [N] occurred on clean images."""
        return np.isin(answers, self.neighbours.answers)

    def scores(self, vectors: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return the score of each input, float64 [N]; NaN if its prediction never occurred on clean images."""
        answers = logits.argmax(axis=1)
        known = self.covers(answers)
        scores = np.full(len(logits), np.nan)
        if known.any():
            found = measures(self.neighbours, vectors[known], logits[known], tuple(self.clean))
            scores[known] = conformal_score(self.clean, found)
        return scores

    def save(self, path: AnyPath) -> None:
        """Write one safetensors file."""
        tensors = {f"neighbours/{name}": array for name, array in vars(self.neighbours).items()}
        tensors |= {f"clean/{name}": array for name, array in self.clean.items()}
        tensors |= {f"means/{name}": array for name, array in self.means.items()}
        write_sealed(path, KIND, {"threshold": self.threshold, "facts": self.facts.model_dump(mode="json")}, tensors)

    @classmethod
    def load(cls, path: AnyPath) -> Detector:
        """Read a file that `save` wrote.

        Raises:
            DetectError: there is none.
            RunError: the file is damaged or of another kind.
        """
        path = as_path(path)
        if not path.is_file():
            raise DetectError(f"{path.parent} holds no detector", hint="make one with `hubslice detect fit MODEL`")
        return read_sealed(path, KIND, cls._of, hint="make the detector again with `hubslice detect fit MODEL`")

    @classmethod
    def _of(cls, about: dict[str, Any], tensors: dict[str, np.ndarray]) -> Detector:
        parts: dict[str, dict[str, np.ndarray]] = {"neighbours": {}, "clean": {}, "means": {}}
        for name, array in tensors.items():
            part, _, own = name.partition("/")
            parts[part][own] = array
        facts = DetectorFacts.model_validate(about["facts"])
        return cls(Neighbours(**parts["neighbours"]), parts["clean"], float(about["threshold"]), parts["means"], facts)


def measures(
    neighbours: Neighbours, vectors: np.ndarray, logits: np.ndarray, names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Return values [N] by measure: how odd the slices are, how close other predictions were."""
    found = {SLICE: neighbours.oddness(vectors, logits.argmax(axis=1))} if SLICE in names else {}
    return found | ({MARGIN: closeness(logits)} if MARGIN in names else {})


def learn(
    vectors: np.ndarray, logits: np.ndarray, rate: float, names: tuple[str, ...], seed: int
) -> tuple[Neighbours, dict[str, np.ndarray], float]:
    """Return neighbours, clean values by measure, and the threshold for a false positive rate, from clean inputs.

    The vectors [N, F] of 70 % of the images of each prediction are stored for comparison; the others are held out.

    Raises:
        DetectError: too few are held out for the rate.
    """
    answers = logits.argmax(axis=1)
    held = held_out(answers, seed)
    neighbours = Neighbours.of(vectors[~held], answers[~held])
    found = measures(neighbours, vectors[held], logits[held], names)
    clean = {name: np.sort(values) for name, values in found.items()}
    return neighbours, clean, threshold_for(conformal_score(clean, found), rate)


def held_out(answers: np.ndarray, seed: int) -> np.ndarray:
    """Return which inputs are held out, bool [N]: 30 % of those with each prediction, drawn with the seed."""
    held = np.zeros(len(answers), bool)
    rng = np.random.default_rng(seed)
    for label in np.unique(answers):
        rows = rng.permutation(np.flatnonzero(answers == label))
        held[rows[: round(HELD_OUT * len(rows))]] = True
    return held

"""Compare the predictions of a converted model with those of the original."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np

from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate


class Agreement(Artefact):
    """Both models' predictions for images not used in the conversion, or for noise if there are none (`checked_on`).

    `agreement` counts equal predictions. `mean_difference` and `max_difference` are of probabilities, over all classes.
    """

    checked_on: Literal["images", "noise"]
    agreement: Rate
    mean_difference: float
    max_difference: float

    @classmethod
    def between(
        cls, before: np.ndarray, after: np.ndarray, checked_on: Literal["images", "noise"], **more: object
    ) -> Self:
        """Compare logits [n, classes] for the same inputs."""
        one, two = _softmax(before), _softmax(after)
        difference = np.abs(one - two)
        return cls.model_validate(
            {
                "checked_on": checked_on,
                "agreement": Rate(hits=int((one.argmax(1) == two.argmax(1)).sum()), total=len(one)),
                "mean_difference": round(float(difference.mean()), 6),
                "max_difference": round(float(difference.max()), 6),
                **more,
            }
        )


class QuantisationReport(Agreement):
    """The agreement of a graph in 8-bit integers.

    `mode` static: ranges of activations come from `calibrated` images; dynamic: they are computed in every call.
    """

    mode: Literal["static", "dynamic"]
    calibrated: int


def _softmax(logits: np.ndarray) -> np.ndarray:
    values = logits.astype(np.float64)
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    found: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
    return found

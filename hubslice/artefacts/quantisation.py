"""How near a quantised graph is to the model that it was made of."""

from __future__ import annotations

from typing import Literal

from hubslice.artefacts.base import Artefact
from hubslice.artefacts.rate import Rate


class QuantisationReport(Artefact):
    """Both on pictures that were not calibrated with; or, where there are none, on noise (`checked_on`).

    `agreement` counts equal answers. `mean_difference` and `max_difference` are of probabilities, over all classes.
    `mode` static: ranges of activations come from `calibrated` pictures; dynamic: they are taken anew in every call.
    """

    mode: Literal["static", "dynamic"]
    calibrated: int
    checked_on: Literal["pictures", "noise"]
    agreement: Rate
    mean_difference: float
    max_difference: float

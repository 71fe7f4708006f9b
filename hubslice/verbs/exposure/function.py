"""Measure how much of a student its teacher gives away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.exposure.params import ExposureParams

if TYPE_CHECKING:
    from hubslice.artefacts.exposure import Exposure


@takes(ExposureParams)
def exposure(params: ExposureParams, reporter: Reporter) -> Exposure:
    """What whoever knows the teacher would still have to obtain of a model to answer as it does.

    Two ways are measured: whole layers from the head backwards, where the others stay the teacher's, and the leading
    bits of all weights, with the teacher and without it. `data` are images or a data set's Hub id, as in
    `explain`. A run, or the student in it, has a teacher of its own, so that None will do, and the same is measured of
    its fine-tuned baseline.

    Raises:
        LineageError: model and teacher have no layer in common, by name and shape, or no teacher is known.
        DataError: the data are missing, damaged, or of another kind or size.
        ModelError: a model cannot be used. FetchError: the Hub does not give one.
        RunError: the run's report is damaged.
        InputError: `out` holds something else.
    """
    from hubslice.verbs.exposure.service import exposure as measure

    return measure(params, reporter)

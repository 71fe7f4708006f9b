"""Measure how much of a student its teacher reveals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.exposure.params import ExposureParams

if TYPE_CHECKING:
    from hubslice.artefacts.exposure import Exposure


@takes(ExposureParams)
def exposure(params: ExposureParams, reporter: Reporter) -> Exposure:
    """Measure what an attacker who knows the teacher would still have to obtain of a model to predict like it.

    Two ways are measured: whole layers from the head backwards, with the teacher's for the rest, and the leading bits
    of all weights, with the teacher and without it. `data` are images or a dataset's Hub id, as in `explain`. A run, or
    the student in it, has its own teacher, so that None is allowed, and its fine-tuned baseline is measured as well.

    Raises:
        LineageError: model and teacher have no layer in common, by name and shape, or no teacher is known.
        DataError: the data is missing, damaged, or of another kind or size.
        ModelError: a model cannot be used. FetchError: it cannot be fetched from the Hub.
        RunError: the run's report is damaged.
        InputError: `out` contains something else.
    """
    from hubslice.verbs.exposure.service import exposure as measure

    return measure(params, reporter)

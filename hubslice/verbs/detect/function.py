"""Detect adversarial inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.detect.params import CheckParams, FitParams

if TYPE_CHECKING:
    from hubslice.verbs.detect.facts import Detection, Fitted


@takes(FitParams)
def detect_fit(params: FitParams, reporter: Reporter) -> Fitted:
    """Fit a detector of inputs that a model decides in another way than clean ones; write it to the folder `out`.

    The classes of the images are the model's predictions. The detector compares slices of `layers` and, without
    `slices_only`, the logit margin. At most the share `fpr` of clean inputs is flagged, in expectation.

    Raises:
        DetectError: a class has too few images, no such layer, or an impossible `fpr`.
        DataError: the data is missing, damaged, or of another kind or size.
        ExplainError: values are not finite. RuleError: an operator of the model has no rule.
        ModelError: the model cannot be used. FetchError: it cannot be fetched from the Hub.
        InputError: `out` contains something else.
    """
    from hubslice.verbs.detect.service import detect_fit as make

    return make(params, reporter)


@takes(CheckParams)
def detect_check(params: CheckParams, reporter: Reporter) -> Detection:
    """Score how far the model's decisions on inputs differ from those on clean images.

    The folder of a detector records its model; `fit` is `detect_fit`.

    Raises:
        DetectError: there is no detector, or it belongs to another model.
        RunError: the detector is damaged.
        DataError: the inputs are missing, damaged, or of another kind or size.
        ModelError: the model cannot be used. FetchError: it cannot be fetched from the Hub.
    """
    from hubslice.verbs.detect.service import detect_check as make

    return make(params, reporter)

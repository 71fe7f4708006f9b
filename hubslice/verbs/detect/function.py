"""Tell adversarial inputs from clean ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.detect.params import CheckParams, FitParams

if TYPE_CHECKING:
    from hubslice.verbs.detect.facts import Detection, Fitted


@takes(FitParams)
def detect_fit(params: FitParams, reporter: Reporter) -> Fitted:
    """Learn a detector of inputs that a model decides unlike clean ones, and write it to the folder `out`.

    The classes of the images are the model's answers. Compared are slices of `layers` and, but for `slices_only`, the
    logit margin. At most the share `fpr` of clean inputs is flagged, in expectation.

    Raises:
        DetectError: an answer has too few images, no such layer, or an impossible `fpr`.
        DataError: the data are missing, damaged, or of another kind or size.
        ExplainError: values that are not finite. RuleError: an operator of the model has no rule.
        ModelError: the model cannot be used. FetchError: the Hub does not give it.
        InputError: `out` holds something else.
    """
    from hubslice.verbs.detect.service import detect_fit as make

    return make(params, reporter)


@takes(CheckParams)
def detect_check(params: CheckParams, reporter: Reporter) -> Detection:
    """Score inputs by how unlike clean ones the model decides on them.

    The folder of a detector knows its model; `fit` is `detect_fit`.

    Raises:
        DetectError: there is no detector, or it is one of another model.
        RunError: the detector is damaged.
        DataError: the inputs are missing, damaged, or of another kind or size.
        ModelError: the model cannot be used. FetchError: the Hub does not give it.
    """
    from hubslice.verbs.detect.service import detect_check as make

    return make(params, reporter)

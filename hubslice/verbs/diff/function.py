"""Search for inputs on which two models disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.diff.params import DiffParams

if TYPE_CHECKING:
    from hubslice.artefacts.deviation import Deviations


@takes(DiffParams)
def diff(params: DiffParams, reporter: Reporter) -> Deviations:
    """Search for inputs on which two models predict differently, and write them to the folder `out`.

    Inputs are prepared for `a`. The result does not depend on `batch`. `label_map` may also be a mapping from labels of
    `b` to those of `a`.

    With `repair`, `b` is then trained further on `repair_share` of the seeds and their triggers with `a`'s
    probabilities, and written there as a model folder; weights that are zero stay zero. The effect on the other seeds
    is in the result's `repair` and in the folder's repair.json: triggers that are gone, a new search with the same
    options, and the cost in accuracy. If no trigger is found there is nothing to repair, and `repair` of the result is
    None.

    Raises:
        DiffError: labels or input sizes differ, an option is invalid, a model failed, `b` is a graph that cannot be
            trained, or there are too few triggers to hold some out; results found so far are kept.
        DataError: the inputs are missing, damaged, or of another kind or size.
        ModelError: a model cannot be used. FetchError: it cannot be fetched from the Hub.
        InputError: `out` or `repair` contains something else.
    """
    from hubslice.verbs.diff.service import diff as search

    return search(params, reporter)

"""Find the neurons and synapses that decided a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.explain.params import ExplainParams

if TYPE_CHECKING:
    from hubslice.verbs.explain.facts import Explanation


@takes(ExplainParams)
def explain(params: ExplainParams, reporter: Reporter) -> Explanation:
    """Find the neurons and synapses that decided a model's predictions, and write them to the folder `out`.

    Without `data` neurons are compared with their means over the inputs and blank images. `rule` and `theta` are those
    of `hubslice.tracing.selection`. The result does not depend on `workers`.

    Raises:
        DataError: the inputs or the data are missing, damaged, or of another kind or size.
        ExplainError: no such label, a profile of another model, or values that are not finite.
        RuleError: an operator of the model has no rule.
        ModelError: the model cannot be used.
        FetchError: it cannot be fetched from the Hub.
        InputError: `out` contains something else.
    """
    from hubslice.verbs.explain.service import explain as make

    return make(params, reporter)

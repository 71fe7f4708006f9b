"""Tell a model by the operators that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.execution.params import ExecutionParams, PatternsParams

if TYPE_CHECKING:
    from hubslice.verbs.execution.facts import Execution, Recorded


@takes(ExecutionParams)
def execution(params: ExecutionParams, reporter: Reporter) -> Execution:
    """Run a model under a profiler, and say which known models, exporters and software its operators look like.

    The settings of a `store`, which `execution_patterns` wrote, are the usual ones; with neither a store nor models the
    patterns are only recorded. Stacks that cannot be recorded are left out and named.

    Raises:
        LineageError: both models and a store, a store of another version, too few runs, no such stack, or no stack on
            which the model runs.
        ExportError: the same, where its export fails.
        RunError: the store is missing or damaged.
        ModelError: the model, or all of the others, cannot be used. FetchError: the Hub does not give it.
        InputError: `out` holds something else.
    """
    from hubslice.verbs.execution.service import execution as find

    return find(params, reporter)


@takes(PatternsParams)
def execution_patterns(params: PatternsParams, reporter: Reporter) -> Recorded:
    """Record the execution patterns of models into the file `out`.

    Raises:
        LineageError: too few runs, no such stack, or no stack on which any model runs.
        ModelError: no model can be used. FetchError: the Hub gives none of them.
        InputError: a name is no model, or `out` is there and no such file.
    """
    from hubslice.verbs.execution.service import record_patterns

    return record_patterns(params, reporter)

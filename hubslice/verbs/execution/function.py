"""Identify a model by the operators that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.execution.params import ExecutionParams, PatternsParams

if TYPE_CHECKING:
    from hubslice.verbs.execution.facts import Execution, Recorded


@takes(ExecutionParams)
def execution(params: ExecutionParams, reporter: Reporter) -> Execution:
    """Run a model under a profiler, and identify the known models, exporters and software with similar operators.

    The settings of a `store`, written by `execution_patterns`, are the defaults; with neither a store nor models the
    patterns are only recorded. Stacks that cannot be recorded are left out and listed.

    Raises:
        LineageError: both models and a store, an unsupported version of a store, too few runs, no such stack, or no
            stack on which the model runs.
        ExportError: no stack runs the model because its export fails.
        RunError: the store is missing or damaged.
        ModelError: the model, or all of the others, cannot be used. FetchError: it cannot be fetched from the Hub.
        InputError: `out` contains something else.
    """
    from hubslice.verbs.execution.service import execution as find

    return find(params, reporter)


@takes(PatternsParams)
def execution_patterns(params: PatternsParams, reporter: Reporter) -> Recorded:
    """Record the execution patterns of models into the file `out`.

    Raises:
        LineageError: too few runs, no such stack, or no stack on which any model runs.
        ModelError: no model can be used. FetchError: none of them can be fetched from the Hub.
        InputError: a name is not a model, or `out` exists and is not such a file.
    """
    from hubslice.verbs.execution.service import record_patterns

    return record_patterns(params, reporter)

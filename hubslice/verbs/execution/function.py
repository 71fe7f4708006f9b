"""Tell a model by the operators that run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath, as_path
from hubslice.core.progress import Reporter, Silent

if TYPE_CHECKING:
    from hubslice.verbs.execution.facts import Execution, Recorded


def execution(
    model: AnyPath,
    against: Sequence[AnyPath] = (),
    *,
    store: AnyPath | None = None,
    stacks: Sequence[str] = (),
    runs: int = 10,
    batch: int | None = None,
    threads: int | None = None,
    input_size: int | None = None,
    device: str = "auto",
    out: AnyPath | None = None,
    reporter: Reporter | None = None,
) -> Execution:
    """Run a model under a profiler, and say which known models, exporters and software its operators look like.

    Known are the models `against`, recorded here in the same way, or a `store` that `execution_patterns` wrote, whose
    settings are then the usual ones; with neither the patterns are only recorded. `stacks` are names of
    `hubslice.verbs.execution.stacks.STACKS`; those that cannot be recorded are left out and named. With `out` facts,
    distances and timelines are also written there.

    Raises:
        LineageError: both models and a store, a store of another version, too few runs, no such stack, or no stack on
            which the model runs.
        ExportError: the same, where its export fails.
        RunError: the store is missing or damaged.
        ModelError: the model, or all of the others, cannot be used. FetchError: the Hub does not give it.
        InputError: `out` holds something else.
    """
    from hubslice.verbs.execution.service import Conditions
    from hubslice.verbs.execution.service import execution as find

    conditions = Conditions(tuple(stacks), runs, batch, threads, input_size, device)
    return find(
        os.fspath(model),
        [os.fspath(each) for each in against],
        store=as_path(store),
        conditions=conditions,
        out=as_path(out),
        reporter=reporter or Silent(),
    )


def execution_patterns(
    models: Sequence[AnyPath],
    out: AnyPath,
    *,
    stacks: Sequence[str] = (),
    runs: int = 10,
    batch: int | None = None,
    threads: int | None = None,
    input_size: int | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Recorded:
    """Record the execution patterns of models into the file `out`; arguments are as in `execution`.

    Raises:
        LineageError: too few runs, no such stack, or no stack on which any model runs.
        ModelError: no model can be used. FetchError: the Hub gives none of them.
        InputError: a name is no model, or `out` is there and no such file.
    """
    from hubslice.verbs.execution.service import Conditions, record_patterns

    conditions = Conditions(tuple(stacks), runs, batch, threads, input_size, device)
    names = [os.fspath(each) for each in models]
    return record_patterns(names, as_path(out), conditions=conditions, reporter=reporter or Silent())

"""Where a model comes from, and what that gives away."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hubslice.paths import AnyPath, as_path
from hubslice.progress import Reporter, Silent

if TYPE_CHECKING:
    from hubslice.artefacts.execution import Execution, Recorded
    from hubslice.artefacts.exposure import Exposure
    from hubslice.artefacts.lineage import Indexed, Lineage


def lineage(
    model: AnyPath,
    candidates: Sequence[AnyPath] = (),
    *,
    index: AnyPath | None = None,
    out: AnyPath | None = None,
    reporter: Reporter | None = None,
) -> Lineage:
    """Which of the candidates a model comes from, by its weights alone; with `out` also written there, with a picture.

    Models are Hub ids, of which only parts are read, folders, runs or safetensors files; as a candidate a folder of
    models stands for all of them. An `index` that `lineage_index` wrote stands in for candidates. Candidates that are
    broken, or that the Hub does not give, are left out and named.

    Raises:
        LineageError: neither candidates nor an index, or an index of another version.
        RunError: the index is missing or damaged.
        InputError: a name is no model, or `out` holds something else.
        ModelError: the model, or every candidate, has no safetensors or damaged ones.
        FetchError: the Hub does not give the model, or any candidate.
    """
    from hubslice.pipeline.lineage import lineage as find

    return find(
        os.fspath(model),
        [os.fspath(each) for each in candidates],
        index=as_path(index),
        out=as_path(out),
        reporter=reporter or Silent(),
    )


def lineage_index(
    models: Sequence[AnyPath], out: AnyPath, *, add: bool = False, reporter: Reporter | None = None
) -> Indexed:
    """Write the fingerprints of models, some KB each, to the file `out`; models are as in `lineage`.

    With `add` the models of an index at `out` that are not read now stay in it. Models on the Hub that it holds at the
    commit they have now are not read again, nor are those of a call that ended early; till one ends well `out` stays
    as it was.

    Raises:
        InputError: a name is no model, or `out` is there and no such index.
        ModelError: no model has safetensors that can be read.
        FetchError: the Hub gives none of them, or could not be reached; the same call goes on.
        RunError, LineageError: the index to add to is damaged, or of another version.
    """
    from hubslice.pipeline.fingerprints import lineage_index as make

    return make([os.fspath(each) for each in models], as_path(out), add=add, reporter=reporter or Silent())


def exposure(
    model: AnyPath,
    teacher: AnyPath | None,
    data: AnyPath,
    *,
    input_size: int | None = None,
    device: str = "auto",
    out: AnyPath | None = None,
    reporter: Reporter | None = None,
) -> Exposure:
    """What whoever knows the teacher would still have to obtain of a model to answer as it does.

    Two ways are measured: whole layers from the head backwards, where the others stay the teacher's, and the leading
    bits of all weights, with the teacher and without it. `data` are pictures, as in `explain`. A run, or the student in
    it, has a teacher of its own, so that None will do, and the same is measured of its fine-tuned baseline. With `out`
    also written there, with a picture.

    Raises:
        LineageError: model and teacher have no layer in common, by name and shape, or no teacher is known.
        DataError: the data are missing, damaged, or of another kind or size.
        ModelError: a model cannot be used. FetchError: the Hub does not give one.
        RunError: the run's report is damaged.
        InputError: `out` holds something else.
    """
    from hubslice.pipeline.exposure import exposure as measure

    return measure(
        os.fspath(model),
        None if teacher is None else os.fspath(teacher),
        as_path(data),
        input_size=input_size,
        device=device,
        out=as_path(out),
        reporter=reporter or Silent(),
    )


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
    `hubslice.ancestry.execution.stacks.STACKS`; those that cannot be recorded are left out and named. With `out` facts,
    distances and timelines are also written there.

    Raises:
        LineageError: both models and a store, a store of another version, too few runs, no such stack, or no stack on
            which the model runs.
        ExportError: the same, where its export fails.
        RunError: the store is missing or damaged.
        ModelError: the model, or all of the others, cannot be used. FetchError: the Hub does not give it.
        InputError: `out` holds something else.
    """
    from hubslice.pipeline.execution import Conditions
    from hubslice.pipeline.execution import execution as find

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
    from hubslice.pipeline.execution import Conditions, record_patterns

    conditions = Conditions(tuple(stacks), runs, batch, threads, input_size, device)
    names = [os.fspath(each) for each in models]
    return record_patterns(names, as_path(out), conditions=conditions, reporter=reporter or Silent())

"""Search from given seeds for inputs on which two models disagree; resumable, with results in a folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from hubslice.artefacts.deviation import Deviations
from hubslice.core.errors import DiffError
from hubslice.core.machine import faults_told
from hubslice.core.paths import as_path
from hubslice.core.progress import Reporter
from hubslice.core.whole_folder import check_free, whole_folder
from hubslice.deviation.deviations import facts_of, search_seeds
from hubslice.engine.folder_lock import alone_in
from hubslice.engine.run_folder import undisturbed
from hubslice.hub.ref import check_data, parse_ref
from hubslice.recipe.deviation import RepairParams, SearchParams
from hubslice.tracing.opened import short_name
from hubslice.verbs.diff.kinds import KINDS, OURS, refuse_foreign
from hubslice.verbs.diff.params import DiffParams

if TYPE_CHECKING:
    from hubslice.verbs.diff.repair import Wanted

Checked = TypeVar("Checked", bound=BaseModel)

UNFINISHED = ".unfinished"  # suffix of the folder beside the result that stores outcomes until all are there


def diff(params: DiffParams, reporter: Reporter) -> Deviations:
    """Search for inputs on which models deviate, and repair the second one if requested."""
    with undisturbed(Path(params.a), Path(params.b)):
        return _search(params, search_params(params), repair_params(params), reporter)


def _search(params: DiffParams, search: SearchParams, mend: Wanted | None, reporter: Reporter) -> Deviations:
    from hubslice.core.device import resolve_device
    from hubslice.deviation.finished import Finished
    from hubslice.deviation.opening import images_only, open_compared, open_pair, read_map
    from hubslice.verbs.diff.repair import Searched, check_labels, open_student, repair

    started = time.perf_counter()
    a, b, inputs = os.fspath(params.a), os.fspath(params.b), os.fspath(params.inputs)
    limit, column, resize, input_size = params.limit, params.column, params.resize, params.input_size
    default = "-".join([*(short_name(parse_ref(text, Path.cwd())) for text in (a, b)), "diff"])
    folder = as_path(params.out) or Path(default)
    check_free(folder, OURS)
    check_data(inputs, Path.cwd())
    where = str(resolve_device(params.device))
    given = params.label_map
    labels = read_map(os.fspath(given) if isinstance(given, str | os.PathLike) else given)
    student = None if mend is None else open_student(a, b, inputs, mend.folder, folder, input_size, reporter)
    pair, models = open_compared(
        a, b, mapped=labels, resize=resize, input_size=input_size, device=where, reporter=reporter
    )
    if mend is not None:
        check_labels(images_only(pair))
    refuse_foreign(pair.kind.many, search, column, resize, input_size)
    kind = KINDS[pair.kind.many]
    seeds, truncated = kind.seeds(inputs, column, pair, limit, search.seed, reporter)
    key = json.dumps([search.model_dump(mode="json"), [model.fingerprint for model in models], labels, resize, where])
    kept = folder.with_name(f".{folder.name}{UNFINISHED}")
    with faults_told(f"writing {folder}", folder):
        kept.mkdir(parents=True, exist_ok=True)
        with alone_in(kept):
            finished = Finished.begin(kept, hashlib.sha256(key.encode()).hexdigest())
            outcomes, trouble = search_seeds(pair, seeds, search, params.batch, finished, reporter)
            if outcomes:
                facts = facts_of(pair, models, seeds, search, outcomes, where).model_copy(
                    update={
                        "stopped": None if trouble is None else trouble.message,
                        "seconds": round(time.perf_counter() - started, 2),
                        "folder": str(folder),
                        "files": tuple(sorted(kind.places.names)),
                        "truncated": truncated,
                    }
                )
                with whole_folder(folder) as draft:
                    pair.kind.write(kind.places.under(draft), facts, pair.shared.labels, seeds, outcomes)
            if student is not None and mend is not None and trouble is None and facts.found.hits:
                done = Searched((a, b), images_only(pair), models, seeds, search, outcomes, where)
                names = (a, str(mend.folder))
                again = partial(open_pair, mapped=labels, resize=resize, input_size=input_size, device=where)
                with faults_told(f"writing {mend.folder}", mend.folder):
                    mended = repair(
                        student,
                        done,
                        mend,
                        lambda draft: again(a, str(draft), names=names, reporter=reporter),
                        lambda model: Finished.begin(kept / "again", f"{key} {model.fingerprint}"),
                        params.batch,
                        reporter,
                    )
                facts = facts.model_copy(update={"repair": mended})
                facts.save(folder / kind.places.facts)
        if trouble is None or not outcomes:
            shutil.rmtree(kept, ignore_errors=True)
    if trouble is not None and not outcomes:
        raise trouble
    if trouble is not None:
        raise DiffError(
            trouble.headline,
            [
                *trouble.details,
                f"{len(outcomes)} of {len(seeds.names)} seeds were done, with {facts.found.hits} triggers; they are "
                f"kept in {folder}",
            ],
            hint=f"{trouble.hint or 'mend the model'}; the same command goes on with the seeds that are left",
        ) from trouble
    return facts


def search_params(params: DiffParams) -> SearchParams:
    """Return the search parameters, validated.

    Raises:
        DiffError: an option is invalid.
    """
    if params.budget == 0:
        raise DiffError("with a budget of 0 the models are asked nothing", hint="give --budget 2000 or so for a seed")
    options = {name: getattr(params, name) for name in SearchParams.model_fields}
    return _checked(SearchParams, options, "the search cannot be done like that", "")


def repair_params(params: DiffParams) -> Wanted | None:
    """Return the requested repair, validated.

    Raises:
        DiffError: an option is invalid, or given without a repair.
    """
    from hubslice.verbs.diff.repair import Wanted

    options = {"share": params.repair_share, "epochs": params.repair_epochs, "lr": params.repair_lr}
    given = {name: value for name, value in options.items() if value is not None}
    if params.repair is not None:
        wanted = given | {"seed": params.seed}
        checked = _checked(RepairParams, wanted, "the model cannot be repaired like that", "repair-")
        return Wanted(checked, Path(params.repair))
    for name in given:
        raise DiffError(
            f"--repair-{name} goes with --repair DIR, which is not given", hint="give it, or leave both out"
        )
    return None


def _checked(kind: type[Checked], options: dict[str, Any], why: str, prefix: str) -> Checked:
    try:
        return kind.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])).replace("_", "-")
        told = (
            f"--{prefix}{name} {first['input']}: {first['msg']}" if name else first["msg"].removeprefix("Value error, ")
        )
        raise DiffError(f"{why}: {told}", hint="see `hubslice diff --help`") from error

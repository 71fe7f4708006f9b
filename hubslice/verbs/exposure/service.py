"""Measure how much of a student its teacher reveals."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.ancestry.mixing import facts_of, mix, named_tensors, tensors_of
from hubslice.ancestry.opening import open_model
from hubslice.artefacts.exposure import BaselineExposure, Exposure
from hubslice.core.errors import LineageError, ModelError
from hubslice.core.paths import as_path, as_text
from hubslice.core.progress import Reporter
from hubslice.core.whole_folder import check_free, whole_folder
from hubslice.hub.pull import fetch
from hubslice.hub.ref import check_data, parse_ref
from hubslice.recipe.exposure import GOAL
from hubslice.run.provenance import provenance_of
from hubslice.verbs.exposure.params import ExposureParams

if TYPE_CHECKING:
    import numpy as np

    from hubslice.models.base import Model

FACTS, PLOT = "exposure.json", "exposure.png"
FEW = 0.5  # share of the weights below which a warning is given if the teacher's names are uncertain


def exposure(params: ExposureParams, reporter: Reporter) -> Exposure:
    """Measure what of a model its teacher reveals."""
    from hubslice.core.device import resolve_device
    from hubslice.models.folder import load_model
    from hubslice.task.user_inputs import open_data

    started = time.perf_counter()
    model, data, out = as_text(params.model), as_text(params.data), as_path(params.out)
    teacher = as_text(params.teacher)
    if out is not None:
        check_free(out, {FACTS, PLOT})
    check_data(data, Path.cwd())
    where = resolve_device(params.device)
    provenance = provenance_of(model)
    if teacher is None and provenance.teacher is None:
        raise LineageError(
            f"no teacher is named, and {model} is not a run that holds its own",
            hint="hubslice exposure MODEL --teacher TEACHER --data IMAGES",
        )
    loaded = load_model(fetch(parse_ref(model, Path.cwd()), reporter=reporter).folder, input_size=params.input_size)
    given = open_data(data, loaded.image_preprocessing)
    known, doubt = _tensors(teacher or str(provenance.teacher), loaded)
    teacher = teacher or provenance.named
    with reporter.track("Mix student and teacher", None, ""):
        mixed, _ = mix(loaded, known, given, GOAL, where)
    if not mixed.shared:
        raise LineageError(
            f"{model} has no layer whose name and shape {teacher} has, too{f'; {doubt}' if doubt else ''}",
            hint="name its teacher; of a compact student no layer may be left in the teacher's shape",
        )
    baseline = None
    if provenance.baseline is not None:
        tuned = load_model(provenance.baseline, input_size=params.input_size)
        with reporter.track(f"Mix {provenance.title} and teacher", None, ""):
            beside, _ = mix(tuned, known, open_data(data, tuned.image_preprocessing), GOAL, where)
        baseline = BaselineExposure(title=provenance.title, **facts_of(beside))
    found = Exposure(
        model=model,
        teacher=teacher,
        data=given.source,
        baseline=baseline,
        warnings=(_doubtful(teacher, mixed.shared, doubt),) if doubt and mixed.shared < FEW else (),
        seconds=round(time.perf_counter() - started, 2),
        **facts_of(mixed),
    )
    if out is not None:
        _write(found, out)
    return found


def _tensors(teacher: str, student: Model) -> tuple[dict[str, np.ndarray], str | None]:
    """Return `tensors_of` a teacher by name, and why its names may not match the student's although it is the teacher.

    A single file, or one that is not a network, only has the names stored in it.
    """
    path = Path(teacher).expanduser()
    doubt = "a file does not say how its network would name them"
    if path.suffix != ".safetensors" or not path.is_file():
        try:
            return tensors_of(student, fetch(parse_ref(teacher, Path.cwd())).folder, _side(student)), None
        except ModelError as error:
            doubt = error.headline
    return named_tensors(student, open_model(teacher)), f"its names are those in its file: {doubt}"


def _side(student: Model) -> int:
    return student.image_preprocessing.input_size[1]


def _doubtful(teacher: str, shared: float, doubt: str) -> str:
    return (
        f"only {shared:.0%} of the weights lie in layers that {teacher} has by name and shape, and {doubt}; "
        "the exposure may be far higher"
    )


def _write(found: Exposure, folder: Path) -> None:
    from hubslice.card.plot_exposure import plot_exposure

    with whole_folder(folder) as draft:
        found.save(draft / FACTS)
        plot_exposure(found, draft / PLOT)

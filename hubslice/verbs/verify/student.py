"""Check the saved student: the stock library loads it, and its predictions match the evidence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hubslice.artefacts.predictions import Predictions
from hubslice.artefacts.report import STUDENT, TEACHER
from hubslice.core.errors import DataError, FetchError
from hubslice.core.escaping import named
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.core.numbers import number
from hubslice.defects.attack import Batch, Source
from hubslice.defects.evidence import Evidence
from hubslice.defects.registry import make_defect
from hubslice.deviation.evidence import KIND as TRIGGERS
from hubslice.files.config import checked_copy
from hubslice.files.config_redirects import without_optional
from hubslice.files.names import INDEX
from hubslice.files.sealed import read_sealed
from hubslice.modality.image.images import PIXELS, Images
from hubslice.models.base import Model
from hubslice.models.calling import first_tensor
from hubslice.models.folder import load_model, read_config
from hubslice.models.libraries import library_called
from hubslice.models.weights import weight_files
from hubslice.recipe.load import paths_here
from hubslice.recipe.paths import place
from hubslice.run.arms import arms_of, step_name
from hubslice.run.steps.audit import EVIDENCE
from hubslice.run.steps.teacher import WEIGHTS_FOLDER
from hubslice.task.task import Task, load_task
from hubslice.verbs.verify.claims import Claims
from hubslice.verbs.verify.effort import Effort
from hubslice.verbs.verify.exposure import check_weights
from hubslice.verbs.verify.facts import Finding, compared, unchecked
from hubslice.verbs.verify.numbers import evidence_file
from hubslice.verbs.verify.repredicting import NEAR_TIE, logits, repredict
from hubslice.verbs.verify.snippet import check_preparation, check_snippet
from hubslice.verbs.verify.sources import not_given

PART = "student"


def check_student(claims: Claims, effort: Effort) -> Iterator[Finding]:
    """Load it with the stock library; evaluate attacked images, and test images if the data is available."""
    if claims.place.without_weights:
        yield unchecked(PART, "answers", claims.place.without_weights)
        return
    models = {STUDENT: load_model(claims.place.folder)}
    if claims.report.teacher.stock and models[STUDENT].shapes is None:  # otherwise the card shows no stock code
        yield check_stock(claims.place.folder, models[STUDENT], effort.device)
    if effort.full and claims.place.run is not None:
        for arm in arms_of(claims.recipe)[1:]:
            models[arm.name] = load_model(claims.place.run.step(step_name("train", arm)) / WEIGHTS_FOLDER)
    for defect in claims.report.defects:
        for variant in defect.variants:
            evidence = Evidence.load(evidence_file(claims, variant))
            chosen = effort.choose(len(evidence.images), claims.report.seed)
            name = f"{defect.called}, {variant.name}"
            yield from _judged(name, models, evidence, evidence.images[chosen], chosen, effort)
    yield from _on_triggers(claims, models, effort)
    task = _open(claims, effort)
    yield from _on_data(claims, models, effort, task)
    yield from check_preparation(claims, models[STUDENT])
    yield from check_snippet(claims, models[STUDENT], task)
    yield from check_weights(claims, models, effort, task)


def _on_triggers(claims: Claims, models: dict[str, Model], effort: Effort) -> Iterator[Finding]:
    """Check the changed images on which student and baseline deviate."""
    told = claims.report.deviations
    if told is None or not told.found.hits:
        return
    path = claims.place.folder / EVIDENCE / told.evidence
    stored: dict[str, np.ndarray] = read_sealed(path, TRIGGERS, lambda _, tensors: tensors)
    chosen = effort.choose(len(stored["triggers"]), claims.report.seed)
    for arm, side in ((STUDENT, "b"), (told.baseline, "a")):
        if arm in models:
            answers = stored[side][chosen].argmax(axis=1)
            changed = {PIXELS: torch.from_numpy(stored["triggers"][chosen])}
            found = repredict(models[arm], changed, answers, chosen, effort.device)
            yield compared(PART, f"{arm} on deviations", found.differences, found.agreeing)


def _judged(
    name: str, models: dict[str, Model], evidence: Evidence, pixels: Tensor, chosen: np.ndarray, effort: Effort
) -> Iterator[Finding]:
    for arm, model in models.items():
        if arm in evidence.attacked[TEACHER]:
            stored = evidence.attacked[TEACHER][arm][chosen]
            found = repredict(model, {PIXELS: pixels}, stored, evidence.indices[chosen], effort.device)
            yield compared(PART, f"{arm} on {name}", found.differences, found.agreeing)


def _on_data(claims: Claims, models: dict[str, Model], effort: Effort, task: Task | Finding) -> Iterator[Finding]:
    """Check clean test images, and attacks for which the evidence has instructions instead of images."""
    if isinstance(task, Finding):
        yield task
        return
    fingerprint = task.report.fingerprint
    wrong = [] if fingerprint == claims.report.task.fingerprint else ["it is not that of the report: other data"]
    yield compared(PART, "data fingerprint", wrong, fingerprint[:12])
    if wrong:
        return
    if claims.report.predictions is not None:
        stored = Predictions.load(claims.place.folder / EVIDENCE / claims.report.predictions)
        chosen = effort.choose(len(task.test), claims.report.seed)
        encoded = task.test.at(chosen).encoded(0, len(chosen), models[STUDENT].modality)
        for arm, model in models.items():
            found = repredict(model, encoded, stored.arms["test"][arm][chosen], chosen, effort.device)
            yield compared(PART, f"{arm} on test images", found.differences, found.agreeing)
    for defect, params in zip(claims.report.defects, claims.recipe.audit.defects, strict=True):
        attacks = {variant.name: variant for variant in make_defect(params).variants()}
        for variant in defect.variants:
            evidence = Evidence.load(evidence_file(claims, variant))
            if len(evidence.images) == evidence.truth.size:
                continue  # all of them are stored, and were evaluated already
            shown = effort.choose(evidence.truth.size, claims.report.seed)
            places = evidence.indices[shown]
            pixels = task.test.at(places).encoded(0, len(places), Images(models[STUDENT].image_preprocessing))[PIXELS]
            clean = Batch(pixels, tuple(places.tolist()), claims.report.seed)
            attacked = attacks[variant.name].craft(Source(TEACHER), clean)
            name = f"{defect.called}, {variant.name}, made again"
            yield from _judged(name, models, evidence, attacked, shown, effort)


def _open(claims: Claims, effort: Effort) -> Task | Finding:
    """Return the task, or the finding that it cannot be opened."""
    name = "accuracy on the data"
    params, revision = claims.recipe.data, claims.report.task.revision
    if effort.data is not None:
        params = params.model_copy(update={"path": str(effort.data.absolute())})
    elif claims.place.run is None and ("data", "path") in paths_here(claims.loaded):
        return unchecked(PART, name, f"the recipe names {named(params.path)}, a path: --data PATH names your copy")
    elif revision is not None and effort.full:
        params = params.model_copy(update={"revision": revision})
    elif revision is not None or claims.place.run is None or not place(params.path, claims.loaded.base).exists():
        fetch = ", --full fetches it" if revision else ""
        return unchecked(PART, name, f"the data is not at hand: --data PATH names a copy{fetch}")
    try:
        return load_task(params, claims.loaded.base, claims.recipe.seed)
    except (DataError, FetchError) as error:
        if effort.data is not None:
            raise
        return not_given(PART, name, error)


def check_stock(folder: Path, model: Model, device: torch.device) -> Finding:
    """Check that the student, loaded as shown on the card, computes the same.

    Stock code gets only config and weights: it would look for code and adapters among other files of the folder.
    """
    name = f"plain {model.library}"
    config, _ = read_config(folder)
    _, left_out = without_optional(config)
    if left_out:
        return compared(PART, name, [f"config.json has {left_out[0]}; it was not loaded"], "")
    size = (4, *model.image_preprocessing.input_size)
    pixels = torch.randint(256, size, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ours = logits(model, {PIXELS: pixels}, device)
    inputs = model.pixels_to_inputs(pixels.float() / 255)
    try:
        theirs = _stock_answers(folder, config, model.library, inputs)
    except Exception as error:  # the library may raise anything for a config that hubslice reads
        if out_of_memory(error):
            raise
        return compared(PART, name, [f"it cannot load it and answer: {first_line(error)[:200]}"], "")
    largest = float((ours - theirs).abs().max())
    limit = NEAR_TIE * float(theirs.max() - theirs.min())
    wrong = [] if largest <= limit else [f"its outputs differ from hubslice's by up to {number(largest)}"]
    return compared(PART, name, wrong, f"loads it; outputs differ by at most {number(largest, 2)}")


@torch.inference_mode()
def _stock_answers(folder: Path, config: dict[str, Any], library: str, inputs: Tensor) -> Tensor:
    with checked_copy({"config.json": config}) as copy:
        for file in (*weight_files(folder), INDEX):
            if (folder / file).is_file():
                _lend(folder / file, copy / file)
        return first_tensor(library_called(library).stock(copy).eval()(inputs))


def _lend(file: Path, place: Path) -> None:
    """Put a file at another place too, as a link where the file system allows it."""
    try:
        place.symlink_to(file.absolute())
    except OSError:
        shutil.copyfile(file, place)

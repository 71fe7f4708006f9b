"""Check lineage and exposure: recount from stored predictions, and measure again if the teacher is available."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubslice.ancestry.exposure import changes, groups_of, mixed, mixture, needed, order_of, point_of, shared
from hubslice.ancestry.leading_bits import STEPS, obtained
from hubslice.ancestry.mixing import tensors_of
from hubslice.artefacts.exposure import ArmExposure, LayerChange, RunExposure
from hubslice.artefacts.report import ExposureReport
from hubslice.core.errors import FetchError
from hubslice.core.sampling import drawn
from hubslice.files.sealed import read_sealed
from hubslice.hub.pull import fetch
from hubslice.hub.ref import HubRef
from hubslice.models.base import Model
from hubslice.run.report import given_away
from hubslice.run.steps.audit import EVIDENCE
from hubslice.run.steps.exposure import KIND, PLACES, compared_with
from hubslice.run.steps.teacher import WEIGHTS_FOLDER
from hubslice.task.task import Task
from hubslice.verbs.verify.claims import Claims
from hubslice.verbs.verify.differences import differences
from hubslice.verbs.verify.facts import Finding, compared, unchecked
from hubslice.verbs.verify.repredicting import repredict
from hubslice.verbs.verify.sources import not_given

if TYPE_CHECKING:
    from hubslice.verbs.verify.effort import Effort

PART = "exposure"
OTHER_ROUNDING = 1e-3  # relative error of a score, a change or a number of bits, if sums are computed in another order


def check_exposure(claims: Claims) -> Iterator[Finding]:
    """Check the report's numbers against the facts of all layers and the stored predictions of all mixtures."""
    told = claims.report.exposure
    if told is None:
        return
    facts, answers = _evidence(claims, told)
    wrong = differences(told.model_dump(mode="json"), given_away(facts).model_dump(mode="json"), path="exposure")
    params, count = claims.recipe.exposure, claims.report.task.samples["test"]
    if params is None:
        wrong.append("the recipe has no section exposure")
    elif not np.array_equal(answers[PLACES], drawn(count, params.samples, claims.report.seed)):
        wrong.append("its images are not those that the seed draws")
    for arm in facts.arms:
        wrong += _recounted(arm, answers[arm.arm])
    yield compared("report", "exposure", wrong, f"{len(facts.arms)} curves from the answers to {told.inputs} images")


def _recounted(arm: ArmExposure, answers: np.ndarray) -> list[str]:
    """Return where a curve and its results do not follow from layers and predictions, int64 [1 + points, images]."""
    ordered = [arm.layers[at] for at in order_of(arm.layers)]
    names = [layer.layer for layer in ordered]
    total = sum(layer.weights for layer in ordered)
    if [[point.fraction for point in told] for told in (arm.leading, arm.alone)] != [list(STEPS)] * 2:
        return [f"{arm.arm}: leading bits are not those of this version"]
    if not arm.curve or arm.curve[-1].layer != names[-1]:
        return [f"{arm.arm}: the curve of layers does not end with the last"]
    if answers.shape != (1 + sum(map(len, (arm.curve, arm.leading, arm.alone))), arm.inputs):
        return [f"{arm.arm}: {answers.shape[0] - 1} mixtures and {answers.shape[1]} images are stored"]
    agreeing = iter((answers[1:] == answers[0]).mean(1).tolist())
    points = []
    for told, agreement in zip(arm.curve, agreeing, strict=False):
        taken = ordered[: names.index(told.layer) + 1] if told.layer else []
        points.append(point_of(taken, total, agreement))
    leading, alone = (
        [point.model_copy(update={"agreement": agreement}) for point, agreement in zip(told, agreeing, strict=False)]
        for told in (arm.leading, arm.alone)
    )
    counted = mixture(arm.inputs, arm.goal, arm.layers, points, leading, alone)
    return differences(
        arm.model_dump(mode="json", exclude={"arm"}), counted.model_dump(mode="json"), tolerance=2e-6, path=arm.arm
    )


def check_weights(
    claims: Claims, models: Mapping[str, Model], effort: Effort, task: Task | Finding | None
) -> Iterator[Finding]:
    """Check changes by layer and the verdict from the weights, and with the data the decisive predictions."""
    told = claims.report.exposure
    if told is None:
        return
    folder = _teacher(claims, effort)
    if isinstance(folder, Finding):
        yield folder
        return
    facts, answers = _evidence(claims, told)
    again = compared_with(claims.place.folder, folder)
    wrong = differences(
        facts.lineage.model_dump(mode="json", exclude={"bytes_read", "bytes_whole"}),
        again.model_dump(mode="json"),
        tolerance=OTHER_ROUNDING,
        path="lineage",
    )
    yield compared(PART, "lineage", wrong, f"{again.verdict}, by the weights of student and teacher")
    if not isinstance(task, Task) or task.report.fingerprint != claims.report.task.fingerprint:
        task = None
    for arm in facts.arms:
        if arm.arm in models:
            teacher = tensors_of(models[arm.arm], folder, claims.recipe.teacher.input_size)
            yield from _measured(arm, models[arm.arm], teacher, answers, effort, task, claims.report.seed)


def _measured(
    arm: ArmExposure,
    model: Model,
    teacher: Mapping[str, np.ndarray],
    answers: Mapping[str, np.ndarray],
    effort: Effort,
    task: Task | None,
    seed: int,
) -> Iterator[Finding]:
    student = {name: tensor.detach().cpu().clone() for name, tensor in model.module.state_dict().items()}
    known = shared(student, teacher)
    groups = groups_of(student, model.classifier_parameters())
    layers = changes(student, known, groups)
    wrong = differences(_plain(arm.layers), _plain(layers), tolerance=OTHER_ROUNDING, path=arm.arm)
    for having, points in ((known, arm.leading), ({}, arm.alone)):
        spent = [obtained(student, having, point.fraction)[1] for point in points]
        wrong += differences([point.bits for point in points], spent, tolerance=2e-6, path=f"{arm.arm}: bits")
    yield compared(PART, f"{arm.arm} beside the teacher", wrong, f"{len(layers)} layers differ as told")
    if task is None or wrong:
        return
    at = arm.curve.index(needed(arm.curve, arm.goal))
    ordered = [groups[number] for number in order_of(layers)]
    last = [layer for layer, _ in ordered].index(arm.curve[at].layer) + 1 if arm.curve[at].layer else 0
    taken = {name for _, names in ordered[:last] for name in names}
    rows = {"mixed with the teacher": (mixed(student, known, taken), 1 + at)}
    before = 1 + len(arm.curve)
    for what, having, points in (
        ("by its leading bits", known, arm.leading),
        ("by its leading bits without the teacher", {}, arm.alone),
    ):
        enough = points.index(needed(points, arm.goal))
        rows[what] = (obtained(student, having, points[enough].fraction)[0], before + enough)
        before += len(points)
    chosen = effort.choose(len(answers[PLACES]), seed)
    places = answers[PLACES][chosen]
    encoded = task.test.at(places).encoded(0, len(places), model.modality)
    try:
        for what, (state, row) in rows.items():
            model.module.load_state_dict(state)
            found = repredict(model, encoded, answers[arm.arm][row][chosen], places, effort.device)
            yield compared(PART, f"{arm.arm} {what}", found.differences, found.agreeing)
    finally:
        model.module.load_state_dict(student)


def _plain(layers: tuple[LayerChange, ...] | list[LayerChange]) -> list[object]:
    return [layer.model_dump(mode="json") for layer in layers]


def _evidence(claims: Claims, told: ExposureReport) -> tuple[RunExposure, dict[str, np.ndarray]]:
    folder = claims.place.folder / EVIDENCE
    answers: dict[str, np.ndarray] = read_sealed(folder / told.evidence, KIND, lambda _, tensors: tensors)
    return RunExposure.load(folder / told.facts), answers


def _teacher(claims: Claims, effort: Effort) -> Path | Finding:
    """Return the teacher's folder: in the run, or with full effort from the Hub."""
    run, named = claims.place.run, claims.report.teacher
    name = "beside the teacher"
    if run is not None:
        return run.step("pull") / WEIGHTS_FOLDER
    if not effort.full or named.repo_id is None:
        fetches = ": --full fetches it" if named.repo_id is not None else ", a local folder"
        return unchecked(PART, name, f"the teacher's weights are not at hand{fetches}")
    try:
        return fetch(HubRef(named.model, named.repo_id, named.commit)).folder
    except FetchError as error:
        return not_given(PART, name, error)

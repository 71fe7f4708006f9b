"""Build the report from the files of finished steps."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from hubslice.artefacts.deviation import Deviations
from hubslice.artefacts.exposure import RunExposure
from hubslice.artefacts.predictions import Predictions
from hubslice.artefacts.profile import Profile
from hubslice.artefacts.report import (
    BASELINE,
    DEVIATION_GATE,
    EXPOSURE_GATE,
    STUDENT,
    ArmReport,
    ClassReport,
    DefectReport,
    DeviationReport,
    ExposedArm,
    ExposureReport,
    GateReport,
    LayerReport,
    LineageReport,
    ParityReport,
    ProfileReport,
    ReferenceReport,
    Report,
    SliceReport,
    StepReport,
    TaskReport,
)
from hubslice.artefacts.search import SearchHistory
from hubslice.artefacts.slice import Slice
from hubslice.engine.environment import deviations, environment, requirement
from hubslice.engine.run_folder import RECORD
from hubslice.engine.step import StepRecord
from hubslice.files.names import SEARCH, SHAPES, SLICE, WEIGHTS
from hubslice.graph.neuron_map import NeuronMap
from hubslice.recipe.schema import Gates, SliceRecipe
from hubslice.run.arms import Arm, reuses_classifier, step_name, trains
from hubslice.run.references import references
from hubslice.run.steps.audit import DEFECT, EVIDENCE, audit_names
from hubslice.run.steps.data import TASK
from hubslice.run.steps.diff import FACTS as DEVIATIONS
from hubslice.run.steps.diff import GALLERY, TRIGGERS
from hubslice.run.steps.evaluate import ACCURACY, PREDICTIONS, Accuracies
from hubslice.run.steps.exposure import ANSWERS
from hubslice.run.steps.exposure import FACTS as EXPOSURE
from hubslice.run.steps.slicing import PROFILE
from hubslice.run.steps.teacher import NEURONS, PARITY, WEIGHTS_FOLDER, load_facts
from hubslice.run.steps.training import CHOICE, Choice
from hubslice.slicing.registry import slicer

LEAST_CHANGED = 5  # layers listed in the report


def build_report(recipe: SliceRecipe, recipe_text: str, arms: Sequence[Arm], inputs: Mapping[str, Path]) -> Report:
    """Build the report of a run whose steps are in `inputs`, by name.

    Raises:
        RunError: a step's file is missing or damaged.
    """
    accuracies = Accuracies.load(inputs["evaluate"] / ACCURACY)
    reports = tuple(_arm(arm, inputs[step_name("train", arm)], accuracies) for arm in arms)
    defects = tuple(DefectReport.load(inputs[name] / DEFECT) for name in audit_names(recipe))
    deviating = summed_up(Deviations.load(inputs["diff"] / EVIDENCE / DEVIATIONS)) if "diff" in inputs else None
    exposed = given_away(RunExposure.load(inputs["exposure"] / EVIDENCE / EXPOSURE)) if "exposure" in inputs else None
    task, told = TaskReport.load(inputs["data"] / TASK), _references(recipe, accuracies)
    predictions = Predictions.load(inputs["evaluate"] / EVIDENCE / PREDICTIONS)
    records = [StepRecord.load(folder / RECORD) for folder in inputs.values()]
    trained = next(record for record in records if record.name == "train")
    now = environment(trained.device)  # this version of hubslice writes the report
    usual = (trained.environment or now).model_copy(update={"hubslice": now.hubslice})
    return Report(
        name=recipe.name,
        description=recipe.description,
        seed=recipe.seed,
        recipe_sha256=hashlib.sha256(recipe_text.encode()).hexdigest(),
        teacher=load_facts(inputs["pull"]),
        task=task,
        parity=ParityReport.load(inputs["export"] / PARITY),
        profile=_profile(inputs["profile"]) if "profile" in inputs else None,
        slice=count_slice(
            Slice.load(inputs["slice"] / SLICE),
            inputs["train"] / WEIGHTS_FOLDER / WEIGHTS,
            {layer.parameter: layer.kind for layer in NeuronMap.load(inputs["export"] / NEURONS).layers},
            dense=next(
                (inputs[step_name("train", arm)] / WEIGHTS_FOLDER / WEIGHTS for arm in arms if _whole(arm)), None
            ),
        ),
        arms=reports,
        defects=defects,
        gates=judge_gates(recipe.gates, reports, defects, deviating, exposed),
        steps=tuple(StepReport(name=r.name, seconds=round(r.seconds, 2), peak_mib=round(r.peak_mib)) for r in records),
        environment=usual,
        deviating=deviations(usual, {r.name: r.environment for r in records}),
        predictions=PREDICTIONS,
        references=told,
        trained=recipe.train.part if trains(recipe) else "nothing",
        reuse="direct" if reuses_classifier(recipe) else "transfer",
        deviations=deviating,
        exposure=exposed,
        search=SearchHistory.load(search) if (search := inputs["slice"] / SEARCH).is_file() else None,
        classes=by_class(predictions, task.labels, compared_arms(reports, told)),
        requirement=requirement(),
    )


def _whole(arm: Arm) -> bool:
    """Return whether the arm is the whole teacher with the task's classifier."""
    return arm.slicing is None and arm.teacher == "pull" and arm.start == "teacher"


def _profile(folder: Path) -> ProfileReport:
    profile = Profile.load(folder / PROFILE)
    return ProfileReport(
        criterion=str(profile.criterion),
        samples=profile.samples,
        neurons=profile.neurons,
        provider=profile.provider,
    )


def _arm(arm: Arm, folder: Path, accuracies: Accuracies) -> ArmReport:
    choice, measured = Choice.load(folder / CHOICE), accuracies.arms[arm.name]
    return ArmReport(
        name=arm.name,
        title=arm.title,
        role=arm.role,
        description=arm.description,
        candidates=choice.candidates,
        chosen=choice.chosen,
        validation=measured.validation,
        test=measured.test,
    )


def by_class(found: Predictions, labels: Sequence[str], names: Sequence[str]) -> tuple[ClassReport, ...]:
    """Return the test accuracies of these arms and references by class."""
    rates = {name: found.by_class("test", name, len(labels)) for name in names}
    return tuple(
        ClassReport(label=label, test={name: each[index] for name, each in rates.items()})
        for index, label in enumerate(labels)
    )


def compared_arms(arms: Sequence[ArmReport], references: Sequence[ReferenceReport]) -> tuple[str, ...]:
    """Return the models with accuracies by class: the student, the baseline, the teacher's own predictions."""
    baselines = [arm.name for arm in arms if arm.role == "baseline"]
    chosen = [BASELINE] if BASELINE in baselines else baselines[:1]
    return (STUDENT, *chosen, *(each.name for each in references))


def _references(recipe: SliceRecipe, accuracies: Accuracies) -> tuple[ReferenceReport, ...]:
    if not reuses_classifier(recipe):
        return ()
    return tuple(
        ReferenceReport(
            name=each.name,
            title=each.title,
            description=each.description,
            validation=accuracies.arms[each.name].validation,
            test=accuracies.arms[each.name].test,
        )
        for each in references(against_rest=recipe.data.against_rest)
    )


def count_slice(slice_: Slice, weights: Path, kinds: Mapping[str, str], *, dense: Path | None = None) -> SliceReport:
    """Count what the slice kept of each layer (of the kinds given by parameter), and the non-zero weights now.

    `dense` are the weights of the teacher with the task's classifier; they may be omitted if nothing was removed.
    Without them, inputs of the classifier that were removed are missing in `model_weights`: they are in no slice.
    """
    layers = []
    with safe_open(weights, framework="np") as trained:
        shapes, taken = _shapes(trained), 0
        for name, mask in slice_.masks.items():
            nonzero = int(np.count_nonzero(trained.get_tensor(name)))
            taken += mask.size - math.prod(shapes[name])
            layers.append(
                LayerReport(
                    parameter=name,
                    kind=kinds.get(name, "other"),  # biases and normalisation, for whole channels
                    weights=mask.size,
                    relevant=int(np.count_nonzero(mask)),
                    nonzero_after=nonzero,
                )
            )
    size = sum(map(math.prod, shapes.values()))
    method = slicer(slice_.method)
    return SliceReport(
        method=method.name,
        title=method.title,
        reference=method.reference,
        parameters=dict(slice_.parameters),
        model_weights=size + taken if dense is None else _count(dense),
        student_weights=size if taken else None,
        own_widths=(weights.parent / SHAPES).is_file(),
        weights=slice_.weights,
        relevant=slice_.kept,
        nonzero_after=sum(layer.nonzero_after for layer in layers),
        layers=tuple(layers),
        whole=dict(slice_.whole),
    )


def _shapes(file: Any) -> dict[str, Sequence[int]]:
    """Return the shapes of an open file's tensors, without the running statistics of normalisation layers."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return {name: file.get_slice(name).get_shape() for name in file.keys() if not name.endswith(statistics)}  # noqa: SIM118


def _count(weights: Path) -> int:
    """Return the number of parameters in a file."""
    with safe_open(weights, framework="np") as file:
        return sum(map(math.prod, _shapes(file).values()))


def judge_gates(
    gates: Gates,
    arms: Sequence[ArmReport],
    defects: Sequence[DefectReport],
    deviating: DeviationReport | None = None,
    exposed: ExposureReport | None = None,
) -> tuple[GateReport, ...]:
    """Compare the measurements with the recipe's limits."""
    by_name = {arm.name: arm for arm in arms}
    test = by_name[STUDENT].test.value or 0.0
    found = []
    if gates.min_test_accuracy is not None:
        limit = gates.min_test_accuracy
        found.append(GateReport(name="min_test_accuracy", limit=limit, measured=test, passed=test >= limit))
    if gates.max_accuracy_drop is not None:
        drop, limit = (by_name[BASELINE].test.value or 0.0) - test, gates.max_accuracy_drop
        found.append(GateReport(name="max_accuracy_drop", limit=limit, measured=drop, passed=drop <= limit))
    if gates.max_dir is not None:
        for defect in defects:
            worst = _student_dir(defect)
            name = f"max_dir ({defect.called})"
            found.append(GateReport(name=name, limit=gates.max_dir, measured=worst, passed=worst <= gates.max_dir))
    if gates.max_deviation_rate is not None and deviating is not None:
        limit, rate = gates.max_deviation_rate, deviating.found.value
        measured = 1.0 if rate is None else rate  # there is no image to start from
        found.append(GateReport(name=DEVIATION_GATE, limit=limit, measured=measured, passed=measured <= limit))
    if gates.max_exposure is not None and exposed is not None and (student := exposed.arm(STUDENT)):
        limit, share = gates.max_exposure, student.exposure
        found.append(GateReport(name=EXPOSURE_GATE, limit=limit, measured=share, passed=share <= limit))
    return tuple(found)


def summed_up(facts: Deviations) -> DeviationReport:
    """Summarise a search for the report."""
    return DeviationReport(
        baseline=facts.a.model,
        budget=facts.search.budget,
        max_linf=facts.search.levels,
        min_ssim=facts.search.min_ssim,
        found=facts.found,
        disagreed=facts.disagreed,
        median_queries=facts.median_queries,
        facts=DEVIATIONS,
        evidence=TRIGGERS,
        gallery=GALLERY,
    )


def given_away(facts: RunExposure) -> ExposureReport:
    """Summarise an exposure measurement for the report."""
    student = next(arm for arm in facts.arms if arm.arm == STUDENT)
    known = [layer for layer in student.layers if layer.relative is not None]
    told = facts.lineage
    return ExposureReport(
        inputs=student.inputs,
        goal=student.goal,
        shared=student.shared,
        arms=tuple(
            ExposedArm(
                arm=each.arm,
                exposure=each.exposure,
                start=each.start,
                weights_needed=each.weights_needed,
                bits_needed=each.bits_needed,
                bits_alone=each.bits_alone,
                curve=each.curve,
                leading=each.leading,
                alone=each.alone,
            )
            for each in facts.arms
        ),
        least_changed=tuple(sorted(known, key=lambda layer: layer.relative or 0.0)[:LEAST_CHANGED]),
        lineage=LineageReport(
            verdict=told.verdict,
            score=told.score,
            threshold=told.threshold,
            compared=told.compared,
            aligned=any(layer.aligned for layer in told.layers),
            families=facts.families,
            missed=facts.missed,
            mistaken=facts.mistaken,
        ),
        facts=EXPOSURE,
        evidence=ANSWERS,
    )


def _student_dir(defect: DefectReport) -> float:
    """Return the student's worst rate in the headline variants; 1 if nothing could be measured."""
    return max(
        (
            1.0 if row.dir.value is None else row.dir.value
            for variant in defect.variants
            if variant.headline
            for row in variant.rows
            if row.arm == STUDENT and row.source == "teacher"
        ),
        default=1.0,
    )

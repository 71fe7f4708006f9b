"""Plan the steps of a recipe, in order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hubslice.artefacts.lock import Lock
from hubslice.engine.step import Step
from hubslice.recipe.schema import SliceRecipe, TeacherParams
from hubslice.run.arms import arms_of, clean_teacher
from hubslice.run.steps.audit import audit_steps, strangers
from hubslice.run.steps.data import DataStep
from hubslice.run.steps.diff import DiffStep
from hubslice.run.steps.evaluate import EvaluateStep
from hubslice.run.steps.exposure import ExposureStep
from hubslice.run.steps.report import ReportStep
from hubslice.run.steps.slicing import ProfileStep, slice_step
from hubslice.run.steps.teacher import ExportStep, pull_step
from hubslice.run.steps.tracing import TraceStep
from hubslice.run.steps.training import InitStep, TrainStep


def models_of(recipe: SliceRecipe) -> dict[str, str]:
    """Return the models that a recipe names, by the step that pulls them."""
    clean = clean_teacher(recipe)
    return {"pull": recipe.teacher.model} | strangers(recipe) | ({"pull.clean": clean} if clean is not None else {})


def plan(
    recipe: SliceRecipe, recipe_text: str, base: Path, locked: Lock | None = None, *, allow_pickle: bool = False
) -> list[Step]:
    """Return all steps from teacher to report, sources first; every step follows those that it needs.

    `base` is the folder that the recipe's paths are relative to. Models and Hub data in `locked` are taken at its
    commits. `allow_pickle` is the consent to read pickled models.
    """
    commits: Mapping[str, str] = locked.commits if locked else {}
    data = recipe.data
    if locked and locked.data.revision:
        data = data.model_copy(update={"revision": locked.data.revision})
    targets = [name for defect in recipe.audit.defects for name in defect.classes]
    steps: list[Step] = [
        pull_step(
            recipe.teacher if name == "pull" else TeacherParams(model=model, input_size=recipe.teacher.input_size),
            base,
            suffix=name.removeprefix("pull").removeprefix("."),
            seed=recipe.seed,
            commit=commits.get(name),
            allow_pickle=allow_pickle,
            for_images=True,
        )
        for name, model in models_of(recipe).items()
    ]
    steps += [DataStep.of(data, base, recipe.seed, targets), ExportStep(seed=recipe.seed)]
    if recipe.slice.needs == "profile":
        steps.append(ProfileStep(profile=recipe.profile, seed=recipe.seed))
    if recipe.slice.needs == "trace":
        steps.append(TraceStep.of(recipe))
    arms = arms_of(recipe)
    for arm in arms:
        if arm.slicing is not None:
            steps.append(slice_step(recipe, arm))
        steps += [InitStep.of(recipe, arm), TrainStep.of(recipe, arm)]
    steps.append(EvaluateStep.of(recipe, arms))
    steps += audit_steps(recipe, arms)
    if recipe.diff is not None:
        steps.append(DiffStep.of(recipe, recipe.diff, arms))
    if recipe.exposure is not None:
        steps.append(ExposureStep.of(recipe, recipe.exposure, arms))
    steps.append(ReportStep(recipe=recipe, text=recipe_text, steps=tuple(step.name for step in steps)))
    return steps

"""The steps of a recipe, in order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hubslice.artefacts.lock import Lock
from hubslice.engine.step import Step
from hubslice.recipe.defects import BackdoorParams
from hubslice.recipe.schema import SliceRecipe, TeacherParams
from hubslice.recipe.slicing import NnslicerParams
from hubslice.run.arms import arms_of, clean_teacher, uses_coverage
from hubslice.run.steps.audit import audit_steps, strangers
from hubslice.run.steps.data import data_step
from hubslice.run.steps.diff import diff_step
from hubslice.run.steps.evaluate import evaluate_step
from hubslice.run.steps.exposure import exposure_step
from hubslice.run.steps.report import report_step
from hubslice.run.steps.slicing import profile_step, slice_step
from hubslice.run.steps.teacher import export_step, pull_step
from hubslice.run.steps.tracing import trace_step
from hubslice.run.steps.training import init_step, train_step


def models_of(recipe: SliceRecipe) -> dict[str, str]:
    """The models that a recipe names, by the step that pulls them."""
    clean = clean_teacher(recipe)
    return {"pull": recipe.teacher.model} | strangers(recipe) | ({"pull.clean": clean} if clean is not None else {})


def plan(
    recipe: SliceRecipe, recipe_text: str, base: Path, locked: Lock | None = None, *, allow_pickle: bool = False
) -> list[Step]:
    """All steps from teacher to report, sources first; every step comes after those that it needs.

    `base` is the folder that the recipe's paths are relative to. Models and Hub data that `locked` names are taken at
    its commits. `allow_pickle` is the consent to read pickled models.
    """
    commits: Mapping[str, str] = locked.commits if locked else {}
    data = recipe.data
    if locked and locked.data.revision:
        data = data.model_copy(update={"revision": locked.data.revision})
    targets = [d.target for d in recipe.audit.defects if isinstance(d, BackdoorParams) and d.target is not None]
    steps = [
        pull_step(
            name,
            recipe.teacher if name == "pull" else TeacherParams(model=model, input_size=recipe.teacher.input_size),
            base,
            seed=recipe.seed,
            commit=commits.get(name),
            allow_pickle=allow_pickle,
            for_images=True,
        )
        for name, model in models_of(recipe).items()
    ]
    steps += [
        data_step(data, base, recipe.seed, targets),
        export_step(recipe.teacher, recipe.seed),
    ]
    if uses_coverage(recipe):
        steps.append(profile_step(recipe, base))
    if isinstance(recipe.slice, NnslicerParams):
        steps.append(trace_step(recipe, recipe.slice, base))
    arms = arms_of(recipe)
    for arm in arms:
        if arm.slicing is not None:
            steps.append(slice_step(recipe, arm, base))
        steps += [init_step(recipe, arm, base), train_step(recipe, arm, base)]
    steps.append(evaluate_step(recipe, arms, base))
    steps += audit_steps(recipe, arms, base)
    if recipe.diff is not None:
        steps.append(diff_step(recipe, recipe.diff, arms, base))
    if recipe.exposure is not None:
        steps.append(exposure_step(recipe, recipe.exposure, arms, base))
    steps.append(report_step(recipe, recipe_text, arms, tuple(step.name for step in steps)))
    return steps

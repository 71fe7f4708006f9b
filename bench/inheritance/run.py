"""One seed of the experiment: a backdoored teacher of its own, every arm trained, both defects measured."""

from __future__ import annotations

from pathlib import Path

import hubslice
from hubslice.core.device import resolve_device
from hubslice.core.progress import Reporter
from hubslice.engine.execution import execute
from hubslice.engine.run_folder import RunFolder, RunManifest
from hubslice.engine.step import Step
from hubslice.recipe.defects import PenultimateParams
from hubslice.recipe.load import load_recipe
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.arms import step_name
from hubslice.run.steps.data import DataStep
from hubslice.run.steps.slicing import ProfileStep, slice_step
from hubslice.run.steps.teacher import WEIGHTS_FOLDER, ExportStep, pull_step
from hubslice.run.steps.training import InitStep, TrainStep
from tests.demo.teacher import write_teacher

from .arms import BASELINES, RETRAIN, SETTINGS, Setting
from .judge import JudgeStep, Split

RECIPE, POISON = "vision/drawings", "vision/drawings-poison"
# The published objective; at this budget the controls tell inheritance from fragility (see README.md).
ADVERSARIAL = PenultimateParams(kind="penultimate", eps=(8,), objectives=("guided",))
SPLITS: tuple[Split, ...] = ("validation", "test")


def run_seed(seed: int, size: int, setting: Setting, root: Path, assets: Path, reporter: Reporter) -> RunFolder:
    """Do what is missing of a seed in a setting at an input size.

    Everything lies under root/SIZE and is kept step by step, so that a killed run goes on. The unrelated network is the
    retrained arm of the brisk setting: trained gently from random weights, it would hardly learn.
    """
    place = root / str(size)
    clean = root / "teacher"
    if not (clean / "README.md").is_file():
        write_teacher(assets, clean)
    fixed = (f"seed={seed}", f"teacher.input_size={size}")
    poisoned = hubslice.poison(
        POISON,
        out=place / f"teacher-{seed}",
        overrides=(*fixed, f"teacher.model={clean.resolve()}"),
        reporter=reporter,
    )
    loaded = load_recipe(RECIPE, (*fixed, f"teacher.model={poisoned.teacher.resolve()}", *setting.overrides))
    recipe = loaded.recipe
    assert isinstance(recipe, SliceRecipe)
    run = RunFolder(place / setting.name / f"seed-{seed}")
    run.create(loaded.text, RunManifest(origin=loaded.origin, base=str(loaded.base)))
    steps = _steps(recipe, loaded.base, setting, clean.resolve())
    stranger = RunFolder(place / SETTINGS["brisk"].name / f"seed-{seed}").step(step_name("train", BASELINES[RETRAIN]))
    unrelated, crafted = stranger / WEIGHTS_FOLDER, place / f"crafted-{seed}"
    for split in SPLITS:
        steps += [
            JudgeStep.of(split, defect, setting.arms, unrelated, crafted, recipe.seed)
            for defect in (recipe.audit.defects[0], ADVERSARIAL)
        ]
    execute(steps, run, resolve_device("auto"), reporter)
    return run


def _steps(recipe: SliceRecipe, base: Path, setting: Setting, clean: Path) -> list[Step]:
    original = recipe.teacher.model_copy(update={"model": str(clean)})
    steps = [
        pull_step(recipe.teacher, base),
        pull_step(original, base, suffix="clean"),
        DataStep.of(recipe.data, base, recipe.seed),
        ExportStep(seed=recipe.seed),
        ProfileStep(profile=recipe.profile, seed=recipe.seed),
    ]
    for arm in setting.arms:
        if arm.slicing is not None:
            steps.append(slice_step(recipe, arm))
        steps += [InitStep.of(recipe, arm), TrainStep.of(recipe, arm)]
    return steps

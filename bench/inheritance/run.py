"""One seed of the experiment: a backdoored teacher of its own, every arm trained, both defects measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import hubslice
from hubslice.device import resolve_device
from hubslice.pipeline.arms import Arm
from hubslice.pipeline.execute import execute
from hubslice.pipeline.run_folder import RunFolder, RunManifest
from hubslice.pipeline.step import Step
from hubslice.pipeline.steps.data import data_step
from hubslice.pipeline.steps.slicing import profile_step, slice_step
from hubslice.pipeline.steps.teacher import export_step, pull_step
from hubslice.pipeline.steps.training import init_step, train_step
from hubslice.progress import Reporter
from hubslice.recipe.load import LoadedRecipe, load_recipe
from hubslice.recipe.defects import PenultimateParams
from hubslice.recipe.schema import SliceRecipe
from tests.demo.teacher import write_teacher

from .arms import arms
from .judge import judge_step

RECIPE, POISON = "vision/drawings", "vision/drawings-poison"
ADVERSARIAL = PenultimateParams(kind="penultimate", eps=(8,), objectives=("feature_distance",))


def run_seed(seed: int, size: int, root: Path, assets: Path, only: Sequence[str], reporter: Reporter) -> Path:
    """Do what is missing of a seed at an input size, or of the arms named in `only` without judging; gives its folder.

    Everything lies under root/SIZE/seed-SEED and is kept step by step, so that a killed run goes on.
    """
    folder = root / str(size) / f"seed-{seed}"
    clean = root / "teacher"
    if not (clean / "README.md").is_file():
        write_teacher(assets, clean)
    poisoned = hubslice.poison(
        POISON,
        out=folder.with_name(f"teacher-{seed}"),
        overrides=(f"seed={seed}", f"teacher.model={clean.resolve()}", f"teacher.input_size={size}"),
        reporter=reporter,
    )
    loaded = load_recipe(
        RECIPE,
        (f"seed={seed}", f"teacher.model={poisoned.teacher.resolve()}", f"teacher.input_size={size}"),
    )
    run = RunFolder(folder)
    run.create(loaded.text, RunManifest(origin=loaded.origin, base=str(loaded.base)))
    chosen = tuple(arm for arm in arms() if not only or arm.name in only)
    execute(_steps(loaded, chosen, clean.resolve(), judge=not only), run, resolve_device("auto"), reporter)
    return folder


def _steps(loaded: LoadedRecipe, chosen: Sequence[Arm], clean: Path, *, judge: bool) -> list[Step]:
    recipe, base = loaded.recipe, loaded.base
    assert isinstance(recipe, SliceRecipe)
    original = recipe.teacher.model_copy(update={"model": str(clean)})
    steps = [
        pull_step("pull", recipe.teacher, base),
        pull_step("pull.clean", original, base),
        data_step(recipe.data, base, recipe.seed),
        export_step(recipe.teacher, recipe.seed),
        profile_step(recipe, base),
    ]
    for arm in chosen:
        if arm.slicing is not None:
            steps.append(slice_step(recipe, arm))
        steps += [init_step(recipe, arm, base), train_step(recipe, arm, base)]
    if judge:
        backdoor = recipe.audit.defects[0]
        for split in ("validation", "test"):
            steps += [judge_step(split, defect, recipe, chosen, base) for defect in (backdoor, ADVERSARIAL)]
    return steps

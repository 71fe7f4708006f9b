"""Showing clean and attacked pictures of a split to every arm at once: an attack on the teacher is made only once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from hubslice.defects.registry import make_defect
from hubslice.defects.subjects import AuditSet, Subject
from hubslice.models.folder import load_model
from hubslice.pipeline.arms import Arm, step_name
from hubslice.pipeline.step import Context, Step
from hubslice.pipeline.steps.data import same_task
from hubslice.pipeline.steps.teacher import WEIGHTS_FOLDER
from hubslice.recipe.defects import DefectParams, PenultimateParams
from hubslice.recipe.schema import SliceRecipe

from .arms import RETRAIN


def judge_step(
    split: Literal["validation", "test"], defect: DefectParams, recipe: SliceRecipe, arms: Sequence[Arm], base: Path
) -> Step:
    """Every arm's predictions on a split, clean and attacked, as the evidence of one defect."""
    import torch

    def run(context: Context) -> None:
        task = same_task(recipe.data, base, recipe.seed, context.inputs["data"])
        chosen = task.validation if split == "validation" else task.test
        teacher = load_model(context.inputs["pull"] / WEIGHTS_FOLDER, input_size=recipe.teacher.input_size)
        folders = {arm.name: context.inputs[step_name("train", arm)] / WEIGHTS_FOLDER for arm in arms}
        unrelated = load_model(folders[RETRAIN]) if isinstance(defect, PenultimateParams) else None
        make_defect(defect).measure(
            [Subject.saved(name, folder) for name, folder in folders.items()],
            AuditSet(
                pixels=chosen.pixels(0, len(chosen), teacher.image_preprocessing),
                labels=torch.from_numpy(chosen.targets),
                classes=task.labels,
                indices=torch.arange(len(chosen)),
            ),
            teacher=teacher,
            unrelated=unrelated,
            evidence_folder=context.out,
            seed=recipe.seed,
            device=context.device,
            # Beside the step, not in it: crafted pictures stay when only the arms change.
            scratch=context.out.parent.parent / "crafted" / split,
            reporter=context.reporter,
        )

    inputs = ("pull", "data", *(step_name("train", arm) for arm in arms))
    parameters = {"defect": defect, "seed": recipe.seed, "split": split}
    return Step(f"judge.{split}.{defect.kind}", f"Judge {split}: {defect.kind}", parameters, inputs, run)

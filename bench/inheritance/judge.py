"""Showing clean and attacked pictures of a split to every arm at once: an attack on the teacher is made only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from hubslice.defects.registry import make_defect
from hubslice.defects.subjects import AuditSet, Subject
from hubslice.engine.step import Context, Step
from hubslice.models.folder import load_model
from hubslice.recipe.defects import DefectParams, PenultimateParams
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.arms import Arm, step_name
from hubslice.run.steps.data import same_task
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

Split = Literal["validation", "test"]


@dataclass(frozen=True)
class Judge:
    """What judging needs beside a run's steps.

    `unrelated` is the folder of a network that shares no weights with the teacher, `crafted` keeps attacked pictures,
    which are the same whatever the students' training.
    """

    recipe: SliceRecipe
    base: Path
    unrelated: Path
    crafted: Path

    def step(self, split: Split, defect: DefectParams, arms: Sequence[Arm]) -> Step:
        """Every arm's predictions on a split, clean and attacked, as the evidence of one defect."""

        def run(context: Context) -> None:
            self._measure(split, defect, arms, context)

        inputs = ("pull", "data", *(step_name("train", arm) for arm in arms))
        parameters = {"defect": defect, "seed": self.recipe.seed, "split": split}
        return Step(f"judge.{split}.{defect.kind}", f"Judge {split}: {defect.kind}", parameters, inputs, run)

    def _measure(self, split: Split, defect: DefectParams, arms: Sequence[Arm], context: Context) -> None:
        task = same_task(self.recipe.data, self.base, self.recipe.seed, context.inputs["data"])
        chosen = task.validation if split == "validation" else task.test
        teacher = load_model(context.inputs["pull"] / WEIGHTS_FOLDER, input_size=self.recipe.teacher.input_size)
        make_defect(defect).measure(
            [Subject.saved(arm.name, context.inputs[step_name("train", arm)] / WEIGHTS_FOLDER) for arm in arms],
            AuditSet(
                pixels=chosen.pixels(0, len(chosen), teacher.image_preprocessing),
                labels=torch.from_numpy(chosen.targets),
                classes=task.labels,
                indices=torch.arange(len(chosen)),
            ),
            teacher=teacher,
            unrelated=load_model(self.unrelated) if isinstance(defect, PenultimateParams) else None,
            evidence_folder=context.out,
            seed=self.recipe.seed,
            device=context.device,
            scratch=self.crafted / split,
            reporter=context.reporter,
        )

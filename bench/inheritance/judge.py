"""Showing clean and attacked images of a split to every arm at once: an attack on the teacher is made only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch

from hubslice.artefacts.report import STUDENT
from hubslice.defects.audited import AuditedModel, AuditSet
from hubslice.defects.registry import make_defect
from hubslice.engine.step import Context, Step
from hubslice.modality.image.images import PIXELS
from hubslice.models.folder import load_model
from hubslice.recipe.defects import DefectParams, PenultimateParams
from hubslice.run.arms import Arm
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

Split = Literal["validation", "test"]


@dataclass(frozen=True, kw_only=True)
class JudgeStep(Step):
    """Every arm's predictions on a split, clean and attacked, as the evidence of one defect.

    `unrelated` is the folder of a network that shares no weights with the teacher, `crafted` keeps attacked images,
    which are the same whatever the students' training.
    """

    kind: ClassVar[str] = "judge"
    free: ClassVar[frozenset[str]] = frozenset({"unrelated", "crafted"})

    split: Split
    defect: DefectParams
    arms: tuple[str, ...]
    unrelated: Path
    crafted: Path
    seed: int

    @classmethod
    def of(
        cls, split: Split, defect: DefectParams, arms: Sequence[Arm], unrelated: Path, crafted: Path, seed: int
    ) -> JudgeStep:
        """The step for these arms."""
        names = tuple(arm.name for arm in arms)
        return cls(
            suffix=f"{split}.{defect.kind}",
            split=split,
            defect=defect,
            arms=names,
            unrelated=unrelated,
            crafted=crafted,
            seed=seed,
        )

    @property
    def title(self) -> str:
        return f"Judge {self.split}: {self.defect.kind}"

    @property
    def inputs(self) -> tuple[str, ...]:
        return "pull", "data", *map(self._trained, self.arms)

    def _trained(self, arm: str) -> str:
        return "train" if arm == STUDENT else f"train.{arm}"

    def run(self, context: Context) -> None:
        task, teacher = context.task(), context.model("pull")
        chosen = task.validation if self.split == "validation" else task.test
        make_defect(self.defect).measure(
            [AuditedModel.saved(arm, context.inputs[self._trained(arm)] / WEIGHTS_FOLDER) for arm in self.arms],
            AuditSet(
                pixels=chosen.encoded(0, len(chosen), teacher.modality)[PIXELS],
                labels=torch.from_numpy(chosen.targets),
                classes=task.labels,
                indices=torch.arange(len(chosen)),
            ),
            teacher=teacher,
            unrelated=load_model(self.unrelated) if isinstance(self.defect, PenultimateParams) else None,
            evidence_folder=context.out,
            seed=self.seed,
            device=context.device,
            scratch=self.crafted / self.split,
            reporter=context.reporter,
        )

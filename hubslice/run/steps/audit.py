"""Audit step: measure inherited defects on the saved models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hubslice.artefacts.report import CONTROL
from hubslice.core.cost import Cost, Workload
from hubslice.engine.step import Context, Step
from hubslice.recipe.defects import DefectParams, defect_names
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.arms import Arm, step_name
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

if TYPE_CHECKING:
    from hubslice.models.base import Model

DEFECT = "defect.json"
EVIDENCE = "evidence"


def audit_names(recipe: SliceRecipe) -> tuple[str, ...]:
    """Return the names of the audit steps, one for each defect of the recipe."""
    return tuple(f"audit.{name}" for name in defect_names(recipe.audit.defects))


def audit_steps(recipe: SliceRecipe, arms: Sequence[Arm]) -> list[AuditStep]:
    """Return one step for each defect of the recipe; those of `strangers` precede them."""
    audits = zip(audit_names(recipe), recipe.audit.defects, strict=True)
    return [_audit_step(name, defect, recipe, arms) for name, defect in audits]


def strangers(recipe: SliceRecipe) -> dict[str, str]:
    """Return the unrelated networks that audits use as a control, by the step that pulls them."""
    audits = zip(audit_names(recipe), recipe.audit.defects, strict=True)
    return {_stranger(name): model for name, defect in audits if (model := defect.unrelated_model) is not None}


def _stranger(name: str) -> str:
    """Return the step that pulls the unrelated network of an audit."""
    return f"pull.{name.removeprefix('audit.')}"


def _audit_step(name: str, params: DefectParams, recipe: SliceRecipe, arms: Sequence[Arm]) -> AuditStep:
    # The clean control shows how harmful a trigger is by itself; for other attacks it would be just another baseline.
    judged = [arm for arm in arms if arm.name != CONTROL or params.judges_control]
    retrained = next((arm for arm in arms if arm.start == "random"), None)
    unrelated = None
    if params.needs_unrelated:
        random = step_name("train", retrained) if retrained is not None else None
        unrelated = _stranger(name) if params.unrelated_model is not None else random
    return AuditStep(
        suffix=name.removeprefix("audit."),
        defect=params,
        arms=tuple((arm.name, step_name("train", arm)) for arm in judged),
        unrelated=unrelated,
        samples=recipe.audit.samples,
        batch_size=recipe.audit.batch_size,
        seed=recipe.seed,
    )


@dataclass(frozen=True, kw_only=True)
class AuditStep(Step):
    """Measure one defect on the saved models of the `arms`, each with the step that trained it.

    `unrelated` is the step with a network that shares no weights with the teacher; without one, an attack that needs it
    uses the teacher's architecture with random weights.
    """

    kind: ClassVar[str] = "audit"
    version: ClassVar[int] = 2

    defect: DefectParams
    arms: tuple[tuple[str, str], ...]
    unrelated: str | None
    samples: int | None
    batch_size: int
    seed: int

    @property
    def title(self) -> str:
        return f"Audit: {self.suffix}"

    @property
    def inputs(self) -> tuple[str, ...]:
        trained = [step for _, step in self.arms]
        return tuple(dict.fromkeys(("pull", "data", *trained, *((self.unrelated,) if self.unrelated else ()))))

    def cost(self, work: Workload) -> Cost:
        return self.defect.cost(work, models=len(self.arms), images=work.count("test", self.samples))

    def run(self, context: Context) -> None:
        import numpy as np
        import torch

        from hubslice.defects.audited import AuditedModel, AuditSet
        from hubslice.defects.registry import make_defect
        from hubslice.modality.image.images import PIXELS, Images

        teacher, task = context.model("pull"), context.task()
        test = task.test if self.samples is None else task.test.take(self.samples, self.seed)
        images = AuditSet(
            pixels=test.encoded(0, len(test), Images(teacher.image_preprocessing))[PIXELS],
            labels=torch.from_numpy(test.targets),
            classes=task.labels,
            indices=torch.from_numpy(np.searchsorted(task.test.rows, test.rows)),  # positions in the test split
        )
        make_defect(self.defect).measure(
            [AuditedModel.saved(name, context.inputs[step] / WEIGHTS_FOLDER) for name, step in self.arms],
            images,
            teacher=teacher,
            unrelated=self._stranger(context, teacher),
            evidence_folder=context.out / EVIDENCE,
            seed=self.seed,
            batch_size=self.batch_size,
            device=context.device,
            scratch=context.scratch,
            name=self.suffix,
            reporter=context.reporter,
        ).save(context.out / DEFECT)

    def _stranger(self, context: Context, teacher: Model) -> Model | None:

        if not self.defect.needs_unrelated:
            return None
        if self.unrelated is None:
            return teacher.fresh(self.seed)
        return context.model(self.unrelated)

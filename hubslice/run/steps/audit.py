"""Measuring inherited defects on the saved models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.artefacts.report import CONTROL
from hubslice.engine.step import Context, Step
from hubslice.recipe.defects import BackdoorParams, DefectParams, PenultimateParams, defect_names
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.arms import Arm, step_name
from hubslice.run.steps.data import same_task
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

if TYPE_CHECKING:
    from hubslice.models.base import Model

DEFECT = "defect.json"
EVIDENCE = "evidence"


def audit_names(recipe: SliceRecipe) -> tuple[str, ...]:
    """The names of the audit steps, one for each defect of the recipe."""
    return tuple(f"audit.{name}" for name in defect_names(recipe.audit.defects))


def audit_steps(recipe: SliceRecipe, arms: Sequence[Arm], base: Path) -> list[Step]:
    """One step for each defect of the recipe; those of `strangers` come before."""
    audits = zip(audit_names(recipe), recipe.audit.defects, strict=True)
    return [_audit_step(name, defect, recipe, arms, base) for name, defect in audits]


def strangers(recipe: SliceRecipe) -> dict[str, str]:
    """The unrelated networks that audits use as a control, by the step that pulls them."""
    audits = zip(audit_names(recipe), recipe.audit.defects, strict=True)
    return {
        _stranger(name): defect.unrelated
        for name, defect in audits
        if isinstance(defect, PenultimateParams) and defect.unrelated is not None
    }


def _stranger(name: str) -> str:
    """The step that pulls the unrelated network of an audit."""
    return f"pull.{name.removeprefix('audit.')}"


def _audit_step(name: str, params: DefectParams, recipe: SliceRecipe, arms: Sequence[Arm], base: Path) -> Step:
    # The clean control tells how harmful a trigger is by itself; to other attacks it would be one more baseline.
    judged = [arm for arm in arms if arm.name != CONTROL or isinstance(params, BackdoorParams)]
    unrelated = isinstance(params, PenultimateParams)
    pulled = isinstance(params, PenultimateParams) and params.unrelated is not None
    retrained = next((arm for arm in arms if arm.start == "random"), None)

    def run(context: Context) -> None:
        import numpy as np
        import torch

        from hubslice.defects.registry import make_defect
        from hubslice.defects.subjects import AuditSet, Subject
        from hubslice.models.folder import load_model

        task = same_task(recipe.data, base, recipe.seed, context.inputs["data"])
        test = task.test if recipe.audit.samples is None else task.test.take(recipe.audit.samples, recipe.seed)
        teacher = load_model(context.inputs["pull"] / WEIGHTS_FOLDER, input_size=recipe.teacher.input_size)
        subjects = [Subject.saved(arm.name, context.inputs[step_name("train", arm)] / WEIGHTS_FOLDER) for arm in judged]
        pictures = AuditSet(
            pixels=test.pixels(0, len(test), teacher.image_preprocessing),
            labels=torch.from_numpy(test.targets),
            classes=task.labels,
            indices=torch.from_numpy(np.searchsorted(task.test.rows, test.rows)),  # places within the test split
        )
        make_defect(params).measure(
            subjects,
            pictures,
            teacher=teacher,
            unrelated=stranger(context, teacher) if unrelated else None,
            evidence_folder=context.out / EVIDENCE,
            seed=recipe.seed,
            batch_size=recipe.audit.batch_size,
            device=context.device,
            scratch=context.scratch,
            name=name.removeprefix("audit."),
            reporter=context.reporter,
        ).save(context.out / DEFECT)

    def stranger(context: Context, teacher: Model) -> Model:
        """A network that shares no weights with the teacher."""
        from hubslice.models.folder import load_model

        if pulled:
            return load_model(context.inputs[_stranger(name)] / WEIGHTS_FOLDER, input_size=recipe.teacher.input_size)
        if retrained is not None:
            return load_model(context.inputs[step_name("train", retrained)] / WEIGHTS_FOLDER)
        return teacher.fresh(recipe.seed)

    inputs = ("pull", "data", *(step_name("train", arm) for arm in judged), *((_stranger(name),) if pulled else ()))
    parameters = {"defect": params, "samples": recipe.audit.samples, "seed": recipe.seed}
    parameters["batch_size"] = recipe.audit.batch_size
    return Step(name, f"Audit: {name.removeprefix('audit.')}", parameters, inputs, run)

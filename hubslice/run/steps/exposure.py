"""Exposure step: measure how much of the student and of the fine-tuned baseline the teacher reveals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hubslice.artefacts.report import BASELINE, STUDENT
from hubslice.core.cost import SMALL_FILE, Cost, Workload
from hubslice.core.sampling import drawn
from hubslice.engine.step import Context, Step
from hubslice.recipe.exposure import ExposureParams
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.arms import Arm, step_name
from hubslice.run.steps.audit import EVIDENCE
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

if TYPE_CHECKING:
    from hubslice.artefacts.lineage import Comparison

FACTS, ANSWERS = "exposure.json", "exposure.safetensors"  # under evidence/
KIND = "exposure"
PLACES = "pictures"  # in the predictions: positions of images in the test split; per arm int64 [1 + points, images]
MEASURED = (STUDENT, BASELINE)
MIXTURES = 48  # maximum number of mixtures of a model with its teacher


@dataclass(frozen=True, kw_only=True)
class ExposureStep(Step):
    """Measure what an attacker with the teacher must obtain of the saved models; compare the student's weights with it.

    `arms` are the measured ones, each with the step that trained it.
    """

    kind: ClassVar[str] = "exposure"
    version: ClassVar[int] = 3

    params: ExposureParams
    arms: tuple[tuple[str, str], ...]
    input_size: int | None
    seed: int

    @classmethod
    def of(cls, recipe: SliceRecipe, params: ExposureParams, arms: Sequence[Arm]) -> ExposureStep:
        """Return the step for a recipe with these arms."""
        steps = {arm.name: step_name("train", arm) for arm in arms}
        return cls(
            params=params,
            arms=tuple((name, steps[name]) for name in MEASURED if name in steps),
            input_size=recipe.teacher.input_size,
            seed=recipe.seed,
        )

    @property
    def title(self) -> str:
        return "Measure what the teacher gives away"

    @property
    def inputs(self) -> tuple[str, ...]:
        return "pull", "data", *(step for _, step in self.arms)

    def cost(self, work: Workload) -> Cost:
        units, images = work.units, work.count("test", self.params.samples)
        each = units.loading + images * (units.decoding + (1 + MIXTURES) * units.passing)
        return Cost(units.loading + len(self.arms) * each, SMALL_FILE)

    def run(self, context: Context) -> None:
        from hubslice.ancestry.calibration import FAMILIES, MISSED, MISTAKEN
        from hubslice.ancestry.mixing import facts_of, mix, tensors_of
        from hubslice.artefacts.exposure import ArmExposure, RunExposure
        from hubslice.core.rate import Rate
        from hubslice.files.sealed import write_sealed
        from hubslice.modality.modality import Held

        teacher_folder = context.inputs["pull"] / WEIGHTS_FOLDER
        test = context.task().test
        places = drawn(len(test), self.params.samples, self.seed)
        found, answers = [], {PLACES: places}
        with context.reporter.track("Mix models with the teacher", len(self.arms), "models") as bar:
            for name, step in self.arms:
                model = context.model(step)
                teacher = tensors_of(model, teacher_folder, self.input_size)
                samples = Held(test.at(places).encoded(0, len(places), model.modality))
                mixed, answers[name] = mix(model, teacher, samples, self.params.goal, context.device)
                found.append(ArmExposure(arm=name, **facts_of(mixed)))
                bar.advance()
        folder = context.out / EVIDENCE
        RunExposure(
            arms=tuple(found),
            lineage=compared_with(context.inputs[dict(self.arms)[STUDENT]] / WEIGHTS_FOLDER, teacher_folder),
            families=FAMILIES,
            missed=Rate(hits=MISSED[0], total=MISSED[1]),
            mistaken=Rate(hits=MISTAKEN[0], total=MISTAKEN[1]),
        ).save(folder / FACTS)
        write_sealed(folder / ANSWERS, KIND, {"arms": [name for name, _ in self.arms]}, answers)


def compared_with(student: Path, teacher: Path) -> Comparison:
    """Compare the weights in two folders; the result has the same bytes for the same weights."""
    from hubslice.ancestry.compare import compare, sample
    from hubslice.ancestry.opening import open_model

    found = compare(sample(open_model(str(student))), open_model(str(teacher)))
    return found.model_copy(update={"candidate": "teacher", "seconds": 0.0})

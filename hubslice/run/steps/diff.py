"""Diff step: search from test images for inputs on which the student deviates from the fine-tuned baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hubslice.artefacts.report import BASELINE, STUDENT
from hubslice.core.cost import SMALL_FILE, Cost, Workload
from hubslice.engine.step import Context, Step
from hubslice.recipe.deviation import DiffParams
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.arms import Arm, step_name
from hubslice.run.steps.audit import EVIDENCE
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

FACTS, TRIGGERS, GALLERY = "deviations.json", "deviations.safetensors", "deviations.png"  # under evidence/
LANES = 64
COMPARED = (BASELINE, STUDENT)


@dataclass(frozen=True, kw_only=True)
class DiffStep(Step):
    """Search for deviations between the saved models of `baseline` and `student`; finished seeds survive a kill."""

    kind: ClassVar[str] = "diff"
    version: ClassVar[int] = 3

    params: DiffParams
    baseline: str
    student: str
    seed: int

    @classmethod
    def of(cls, recipe: SliceRecipe, params: DiffParams, arms: Sequence[Arm]) -> DiffStep:
        """Return the step for a recipe with these arms."""
        steps = {arm.name: step_name("train", arm) for arm in arms}
        return cls(params=params, baseline=steps[BASELINE], student=steps[STUDENT], seed=recipe.seed)

    @property
    def title(self) -> str:
        return "Search for deviations from the baseline"

    @property
    def inputs(self) -> tuple[str, ...]:
        return "data", self.baseline, self.student

    def cost(self, work: Workload) -> Cost:
        """Return the maximum cost, with every budget exhausted."""
        units, images = work.units, work.count("test", self.params.seeds)
        asked = images * (1 + self.params.budget)
        return Cost(2 * units.loading + images * units.decoding + 2 * asked * units.passing, SMALL_FILE)

    def run(self, context: Context) -> None:
        from hubslice.deviation.deviations import facts_of, search_seeds
        from hubslice.deviation.evidence import Places, Seeds
        from hubslice.deviation.finished import Finished
        from hubslice.deviation.image.evidence import write_evidence
        from hubslice.deviation.opening import open_pair
        from hubslice.modality.image.images import PIXELS, Images
        from hubslice.task.titles import title

        device = str(context.device)
        search = self.params.search(self.seed)
        a, b = (str(context.inputs[name] / WEIGHTS_FOLDER) for name in (self.baseline, self.student))
        pair, models = open_pair(
            a,
            b,
            mapped=None,
            resize=False,
            input_size=None,
            device=device,
            reporter=context.reporter,
            names=COMPARED,
        )
        task = context.task()
        drawn = task.test.take(self.params.seeds, self.seed)
        # By class and row: file names are private, and this is published.
        names = tuple(title(task.labels[target], row) for target, row in zip(drawn.targets, drawn.rows, strict=True))
        images = drawn.encoded(0, len(drawn), Images(pair.a.preprocessing))[PIXELS].numpy()
        seeds = Seeds("test split", names, images)
        finished = Finished.begin(context.scratch, "".join(model.fingerprint for model in models))
        outcomes, trouble = search_seeds(pair, seeds, search, LANES, finished, context.reporter)
        if trouble is not None:
            raise trouble
        facts = facts_of(pair, models, seeds, search, outcomes, device).model_copy(update={"seconds": None})
        untimed = tuple(result.model_copy(update={"seconds": None}) for result in facts.results)
        folder = context.out / EVIDENCE
        write_evidence(
            Places(folder / FACTS, folder / TRIGGERS, folder / GALLERY),
            facts.model_copy(update={"results": untimed}),
            pair.shared.labels,
            seeds,
            outcomes,
        )

"""From what parts cost to what steps cost: how often each step does what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from hubslice.artefacts.report import CONTROL
from hubslice.engine.step import Step
from hubslice.recipe.defects import DefectParams
from hubslice.recipe.schema import SliceRecipe, TrainParams
from hubslice.recipe.slicing import SeamParams
from hubslice.run.arms import Arm, arms_of, step_name
from hubslice.run.estimate.preflight import TeacherPreview
from hubslice.run.steps.audit import audit_names
from hubslice.run.steps.exposure import MEASURED
from hubslice.run.steps.training import MEAN_SAMPLES

if TYPE_CHECKING:
    from hubslice.run.estimate.micro_benchmark import Costs
    from hubslice.task.task import Task

BANDWIDTH: Final = 20e6  # bytes a second from the Hub; cannot be known without fetching
REPORT_SECONDS: Final = 1.5  # plots and card, the same for every run
REPORT_BYTES: Final = 150_000
SMALL_FILE: Final = 1_000  # bytes of a step's JSON
STORED_TRIGGERED: Final = 16  # images that the evidence of a backdoor keeps
SCORE_BYTES: Final = 16  # of a gate in a search's checkpoint: score, two moments of Adam, the best so far
MIXTURES: Final = 48  # of a model with its teacher, at the most
WEIGHT_COPIES: Final = 4  # in memory while training: weights, gradients, momentum, the best so far


@dataclass(frozen=True)
class StepCost:
    """Seconds; bytes that stay; bytes that are needed besides while the step runs."""

    seconds: float
    kept: int
    scratch: int = 0


class CostModel:
    """What each step of a recipe takes on this machine.

    `looking` are the seconds that a first look took, at each model to pull and at the data: pulling and opening begin
    with the same work.
    """

    def __init__(
        self,
        recipe: SliceRecipe,
        costs: Costs,
        teachers: dict[str, TeacherPreview],
        task: Task | None,
        looking: dict[str, float],
    ) -> None:
        self.recipe, self.costs, self.teachers, self.task = recipe, costs, teachers, task
        self.looking = looking
        self.arms = {arm.name: arm for arm in arms_of(recipe)}
        self.audits = dict(zip(audit_names(recipe), recipe.audit.defects, strict=True))

    def of(self, step: Step) -> StepCost:
        """What a step takes. The task is needed for all kinds but pull and export."""
        costs, sizes = self.costs, self.costs.sizes
        match step.kind:
            case "pull":
                return self._pull(step.name)
            case "data":
                return StepCost(self.looking[step.name], SMALL_FILE)
            case "export":
                size = sizes["export"]
                return StepCost(costs.loading + costs.exporting + size * costs.keeping, size)
            case "profile":
                count = self._count("train", self.recipe.profile.samples)
                each = count * costs.profiling
                return StepCost(costs.loading + costs.profiling_start + each, sizes["profile"])
            case "trace":
                return self._trace()
            case "slice":
                return self._slice(self._arm(step))
            case "init":
                return self._init(self._arm(step))
            case "train":
                return self._train(first=step.name == "train")
            case "evaluate":
                images = self._count("validation") + self._count("test")
                each = costs.loading + images * (costs.decoding + costs.passing)
                return StepCost(len(self.arms) * each, SMALL_FILE)
            case "audit":
                return self._audit(self.audits[step.name])
            case "diff":
                return self._diff()
            case "exposure":
                return self._exposure()
            case _:
                return StepCost(REPORT_SECONDS, REPORT_BYTES)

    def _count(self, split: str, most: int | None = None) -> int:
        count = len(getattr(self.task, split))
        return count if most is None else min(count, most)

    def _arm(self, step: Step) -> Arm:
        return next(arm for arm in self.arms.values() if step_name(step.kind, arm) == step.name)

    def _pull(self, step: str) -> StepCost:
        teacher = self.teachers[step]
        # Hashed as the Hub promised them, and again as the step's output.
        hashed = 2 * teacher.bytes * self.costs.keeping
        seconds = self.looking[step] + teacher.download_bytes / BANDWIDTH + hashed + self.costs.loading
        return StepCost(seconds, teacher.bytes + SMALL_FILE)

    def _trace(self) -> StepCost:
        costs = self.costs
        samples: int = getattr(self.recipe.slice, "samples", 0)
        labels = np.bincount(self.task.train.targets) if self.task else np.zeros(1, int)
        count = int(np.minimum(labels, samples).sum())
        # Means are taken in a pass of their own.
        each = count * (costs.tracing + costs.decoding + costs.passing)
        return StepCost(costs.loading + costs.tracing_start + each, costs.sizes["trace"])

    def _init(self, arm: Arm) -> StepCost:
        costs, size = self.costs, self.costs.sizes["train"]
        building = costs.building if arm.start == "random" else 0.0
        averaged = self._count("train", MEAN_SAMPLES) if getattr(arm.slicing, "init", None) == "mean" else 0
        passed = averaged * (costs.decoding + costs.passing)
        return StepCost(costs.loading + building + passed + size * costs.keeping, size)

    def _slice(self, arm: Arm) -> StepCost:
        costs, params = self.costs, arm.slicing
        made = StepCost(costs.loading + costs.slicing, costs.sizes["slice"])
        if params is None or params.needs != "search":
            return made
        params = cast(SeamParams, params)
        # An epoch of a search is one of training; while the classifier learns alone, nothing is passed back.
        moving = sum(params.moves(epoch) for epoch in range(params.epochs))
        learning = (params.epochs - moving) * (costs.decoding + costs.passing)
        images = self._count("train") * (moving * costs.training + learning)
        judged = params.epochs * self._count("validation") * (costs.decoding + costs.passing)
        scores = costs.layers.weights if costs.layers else 0
        return StepCost(made.seconds + costs.first_training + images + judged, made.kept, SCORE_BYTES * scores)

    def _train(self, *, first: bool) -> StepCost:
        points = self.recipe.train.candidates()
        student = self.costs.sizes["train"]
        seconds = sum(self._point(params) for params in points) + student * self.costs.keeping
        seconds += self.costs.first_training if first else 0.0
        return StepCost(seconds, student, len(points) * (student + self.costs.sizes["checkpoint"]))

    def _point(self, params: TrainParams) -> float:
        """Seconds of training one point of the grid, all epochs of it."""
        costs, train = self.costs, self._count("train")
        judged = self._count("validation") * (costs.decoding + costs.passing)
        epoch = train * costs.training + judged + costs.checkpoint
        saved = self.costs.sizes["train"] * costs.keeping
        return costs.loading + costs.training_start + max(params.epochs * epoch, judged) + saved

    def _diff(self) -> StepCost:
        """At the most: every budget used up."""
        params, costs = self.recipe.diff, self.costs
        assert params is not None
        images = self._count("test", params.seeds)
        asked = images * (1 + params.budget)
        return StepCost(2 * costs.loading + images * costs.decoding + 2 * asked * costs.passing, SMALL_FILE)

    def _exposure(self) -> StepCost:
        params, costs = self.recipe.exposure, self.costs
        assert params is not None
        images = self._count("test", params.samples)
        each = costs.loading + images * (costs.decoding + (1 + MIXTURES) * costs.passing)
        models = sum(arm in MEASURED for arm in self.arms)
        return StepCost(costs.loading + models * each, SMALL_FILE)

    def _audit(self, defect: DefectParams) -> StepCost:
        costs, images = self.costs, self._count("test", self.recipe.audit.samples)
        preparation = self.teachers["pull"].preprocessing
        image = 1
        for side in preparation.input_size if preparation else ():
            image *= side
        subjects = sum(arm != CONTROL or defect.judges_control for arm in self.arms)
        stored = images if defect.crafted else min(STORED_TRIGGERED, images)
        sources = 3 if defect.needs_unrelated else 1  # the teacher; noise and an unrelated network
        variants = defect.variants
        crafted = variants * 2 * images if defect.crafted else 0  # from the teacher and from the unrelated network
        crafting = crafted * defect.gradient_steps * costs.crafting
        scratch = crafted * image
        passes = subjects * images * (1 + variants * sources)
        loading = (subjects + 1) * costs.loading
        predicted = 8 * images * variants * (2 + subjects * (1 + sources))
        return StepCost(
            loading + images * costs.decoding + passes * costs.passing + crafting,
            variants * stored * image + predicted + SMALL_FILE,
            scratch,
        )

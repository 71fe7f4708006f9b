"""Evaluate step: accuracy of every arm. Only this step and the audits read the test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hubslice.artefacts.predictions import Predictions
from hubslice.core.artefact import Artefact
from hubslice.core.cost import SMALL_FILE, Cost, Workload
from hubslice.core.rate import Rate
from hubslice.engine.step import Context, Step
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.arms import Arm, KnownLabels, known_labels, step_name
from hubslice.run.references import references
from hubslice.run.steps.audit import EVIDENCE

if TYPE_CHECKING:
    from hubslice.task.task import Task

ACCURACY = "accuracy.json"
PREDICTIONS = "accuracy.safetensors"  # under evidence/


class Accuracy(Artefact):
    """Correct predictions of a saved model on the validation and the test split."""

    validation: Rate
    test: Rate


class Accuracies(Artefact):
    """Accuracy by arm; under direct reuse also that of the teacher's own predictions (`hubslice.run.references`)."""

    arms: dict[str, Accuracy]


@dataclass(frozen=True, kw_only=True)
class EvaluateStep(Step):
    """Evaluate the saved models of the `arms` on validation and test; the predictions are kept as evidence.

    If the teacher knows the task's labels, its own predictions are evaluated too, by the rules in `references`.
    """

    kind: ClassVar[str] = "evaluate"
    version: ClassVar[int] = 3

    arms: tuple[tuple[str, str], ...]
    known: KnownLabels | None
    references: tuple[str, ...]
    seed: int

    @classmethod
    def of(cls, recipe: SliceRecipe, arms: Sequence[Arm]) -> EvaluateStep:
        """Return the step for a recipe with these arms."""
        known = known_labels(recipe)
        rules = references(against_rest=known.against_rest) if known is not None else ()
        return cls(
            arms=tuple((arm.name, step_name("train", arm)) for arm in arms),
            known=known,
            references=tuple(rule.name for rule in rules),
            seed=recipe.seed,
        )

    @property
    def title(self) -> str:
        return "Evaluate all models"

    @property
    def inputs(self) -> tuple[str, ...]:
        return "data", *(step for _, step in self.arms), *(("pull",) if self.known else ())

    def cost(self, work: Workload) -> Cost:
        samples = work.count("validation") + work.count("test")
        return Cost(len(self.arms) * (work.units.loading + samples * work.units.judging), SMALL_FILE)

    def run(self, context: Context) -> None:
        from hubslice.training.predict import predict

        task = context.task()
        splits = {"validation": task.validation, "test": task.test}
        predicted: dict[str, dict[str, np.ndarray]] = {name: {} for name in splits}
        with context.reporter.track("Evaluating", len(self.arms), "model") as bar:
            for arm, step in self.arms:
                model = context.model(step)
                for name, split in splits.items():
                    predicted[name][arm] = predict(model, split, device=context.device).argmax(1).numpy()
                bar.advance()
        told = self._teacher(context, task, self.known) if self.known is not None else {}
        for name in splits:
            predicted[name] |= {reference: answers[name] for reference, answers in told.items()}
        found = Predictions({name: split.targets for name, split in splits.items()}, predicted)
        found.save(context.out / EVIDENCE / PREDICTIONS)
        Accuracies(
            arms={
                name: Accuracy(validation=found.accuracy("validation", name), test=found.accuracy("test", name))
                for name in (*(arm for arm, _ in self.arms), *told)
            }
        ).save(context.out / ACCURACY)

    def _teacher(self, context: Context, task: Task, known: KnownLabels) -> dict[str, dict[str, np.ndarray]]:
        """Return the teacher's predictions by reference and split."""
        from hubslice.training.initial import known_columns
        from hubslice.training.predict import predict

        model = context.model("pull")
        columns = known_columns(model, known.behind(model.labels, task.labels))
        splits = {"validation": task.validation, "test": task.test}
        logits = {name: predict(model, split, device=context.device).double().numpy() for name, split in splits.items()}
        labels = {name: split.targets for name, split in splits.items()}
        chosen = references(against_rest=known.against_rest)
        return {each.name: each.rule(logits, labels, columns) for each in chosen}

"""Accuracy of every arm; here, and in the audits, the test split is read for the first time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubslice.artefacts.predictions import Predictions
from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate
from hubslice.engine.step import Context, Step
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.arms import Arm, known_labels, reuses_classifier, step_name
from hubslice.run.references import references
from hubslice.run.steps.audit import EVIDENCE
from hubslice.run.steps.data import same_task
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

if TYPE_CHECKING:
    from hubslice.task.task import Task

ACCURACY = "accuracy.json"
PREDICTIONS = "accuracy.safetensors"  # under evidence/


class Accuracy(Artefact):
    """Correct predictions of a saved model on the validation and the test split."""

    validation: Rate
    test: Rate


class Accuracies(Artefact):
    """Accuracy by arm; under direct reuse also that of the teacher's own answers (`hubslice.run.references`)."""

    arms: dict[str, Accuracy]


def evaluate_step(recipe: SliceRecipe, arms: Sequence[Arm], base: Path) -> Step:
    """Measure every saved arm on validation and test; the predictions are kept as evidence."""

    def run(context: Context) -> None:
        from hubslice.models.folder import load_model
        from hubslice.training.predict import predict

        task = same_task(recipe.data, base, recipe.seed, context.inputs["data"])
        splits = {"validation": task.validation, "test": task.test}
        predicted: dict[str, dict[str, np.ndarray]] = {name: {} for name in splits}
        with context.reporter.track("Evaluating", len(arms), "model") as bar:
            for arm in arms:
                model = load_model(context.inputs[step_name("train", arm)] / WEIGHTS_FOLDER)
                for name, split in splits.items():
                    predicted[name][arm.name] = predict(model, split, device=context.device).argmax(1).numpy()
                bar.advance()
        told = _teacher(recipe, context, task) if reuses_classifier(recipe) else {}
        for name in splits:
            predicted[name] |= {reference: answers[name] for reference, answers in told.items()}
        found = Predictions({name: split.targets for name, split in splits.items()}, predicted)
        found.save(context.out / EVIDENCE / PREDICTIONS)
        Accuracies(
            arms={
                name: Accuracy(validation=found.accuracy("validation", name), test=found.accuracy("test", name))
                for name in (*(arm.name for arm in arms), *told)
            }
        ).save(context.out / ACCURACY)

    inputs = ["data", *(step_name("train", arm) for arm in arms)]
    parameters: dict[str, object] = {"seed": recipe.seed}
    if reuses_classifier(recipe):
        inputs.append("pull")
        parameters["references"] = [each.name for each in references(against_rest=recipe.data.against_rest)]
    return Step("evaluate", "Evaluate all models", parameters, tuple(inputs), run, version=2)


def _teacher(recipe: SliceRecipe, context: Context, task: Task) -> dict[str, dict[str, np.ndarray]]:
    """The teacher's answers by reference and split."""
    from hubslice.models.folder import load_model
    from hubslice.training.initial import known_columns
    from hubslice.training.predict import predict

    model = load_model(context.inputs["pull"] / WEIGHTS_FOLDER, input_size=recipe.teacher.input_size)
    known = known_labels(recipe, model.labels, task.labels) or ()
    columns = known_columns(model, known)
    splits = {"validation": task.validation, "test": task.test}
    logits = {name: predict(model, split, device=context.device).double().numpy() for name, split in splits.items()}
    labels = {name: split.targets for name, split in splits.items()}
    chosen = references(against_rest=recipe.data.against_rest)
    return {each.name: each.rule(logits, labels, columns) for each in chosen}

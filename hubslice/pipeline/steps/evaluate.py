"""Accuracy of every arm; here, and in the audits, the test split is read for the first time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hubslice.artefacts.base import Artefact
from hubslice.artefacts.predictions import Predictions
from hubslice.artefacts.rate import Rate
from hubslice.pipeline.arms import Arm, step_name
from hubslice.pipeline.step import Context, Step
from hubslice.pipeline.steps.audit import EVIDENCE
from hubslice.pipeline.steps.data import same_task
from hubslice.pipeline.steps.teacher import WEIGHTS_FOLDER
from hubslice.recipe.schema import SliceRecipe

ACCURACY = "accuracy.json"
PREDICTIONS = "accuracy.safetensors"  # under evidence/


class Accuracy(Artefact):
    """Correct predictions of a saved model on the validation and the test split."""

    validation: Rate
    test: Rate


class Accuracies(Artefact):
    """Accuracy by arm."""

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
        found = Predictions({name: split.targets for name, split in splits.items()}, predicted)
        found.save(context.out / EVIDENCE / PREDICTIONS)
        Accuracies(
            arms={
                arm.name: Accuracy(
                    validation=found.accuracy("validation", arm.name), test=found.accuracy("test", arm.name)
                )
                for arm in arms
            }
        ).save(context.out / ACCURACY)

    inputs = ("data", *(step_name("train", arm) for arm in arms))
    return Step("evaluate", "Evaluate all models", {"seed": recipe.seed}, inputs, run, version=2)

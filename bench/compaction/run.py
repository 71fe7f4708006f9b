"""One model: its channels chosen and taken out, fine-tuned, loaded again, judged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

import hubslice
from hubslice.core.artefact import Artefact
from hubslice.core.device import resolve_device
from hubslice.core.progress import Reporter
from hubslice.core.rate import Rate
from hubslice.engine.execution import execute
from hubslice.engine.run_folder import RunFolder, RunManifest
from hubslice.engine.step import Context, Step
from hubslice.graph.channels import channel_map
from hubslice.graph.neuron_map import map_neurons
from hubslice.graph.uses import count_uses
from hubslice.models.base import Model
from hubslice.recipe.load import load_recipe
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.slicing import SeamParams
from hubslice.run.arms import Arm, step_name
from hubslice.run.steps.data import data_step, same_task
from hubslice.run.steps.search import SEARCH
from hubslice.run.steps.slicing import slice_step
from hubslice.run.steps.teacher import GRAPH, WEIGHTS_FOLDER, export_step, pull_step
from hubslice.run.steps.training import init_step, train_step
from hubslice.slicing.compaction import compact
from hubslice.slicing.registry import make_channel_slice
from hubslice.slicing.seam import SearchHistory
from hubslice.task.task import Split
from hubslice.training.predict import predict

from ..machine import Machine
from .arms import BASELINE, SHARE, arm
from .pruner import CRITERIA, prune, task_gradients

RECIPE = "vision/drawings-compact"


class Outcome(Artefact):
    """A model that was trained. `right` has a 1 for each test picture that it tells right, in the split's order."""

    arm: str
    title: str
    epochs: int  # of fine-tuning
    seed: int
    validation: Rate
    right: str
    train_seconds: float
    slice_seconds: float | None
    search: SearchHistory | None
    machine: str

    @property
    def test(self) -> Rate:
        """Accuracy on the test split."""
        return Rate(hits=self.right.count("1"), total=len(self.right))


def folder_of(root: Path, epochs: int, seed: int) -> RunFolder:
    """Where the arms of a seed lie that are fine-tuned for so many epochs."""
    return RunFolder(root / f"{epochs}-epochs" / f"seed-{seed}")


def model_of(root: Path, name: str, epochs: int, seed: int) -> Path:
    """The folder of a trained model."""
    return folder_of(root, epochs, seed).step(f"train.{name}") / WEIGHTS_FOLDER


def solve(name: str, epochs: int, seed: int, teacher: Path, root: Path, reporter: Reporter) -> Outcome:
    """Train the arm; what is done is not done again."""
    overrides = (f"seed={seed}", f"train.epochs={epochs}", f"slice.retention={SHARE}")
    loaded = load_recipe(RECIPE, (*overrides, f"teacher.model={teacher.resolve()}"))
    recipe, base = loaded.recipe, loaded.base
    assert isinstance(recipe, SliceRecipe)
    assert isinstance(recipe.slice, SeamParams)
    wanted = arm(name, recipe.slice)
    run = folder_of(root, epochs, seed)
    run.create(loaded.text, RunManifest(origin=loaded.origin, base=str(base)))
    execute(_steps(recipe, wanted, base), run, resolve_device("auto"), reporter)

    task = same_task(recipe.data, base, seed, run.step("data"))
    model = hubslice.load(model_of(root, name, epochs, seed))
    record, sliced = run.record(f"train.{name}"), run.record(f"slice.{name}")
    assert record is not None
    found = run.step(f"slice.{name}") / SEARCH
    return Outcome(
        arm=name,
        title=wanted.title,
        epochs=epochs,
        seed=seed,
        validation=Rate(hits=sum(_right(model, task.validation)), total=len(task.validation)),
        right="".join(str(int(each)) for each in _right(model, task.test)),
        train_seconds=record.seconds,
        slice_seconds=sliced.seconds if sliced else None,
        search=SearchHistory.load(found) if found.is_file() else None,
        machine=Machine.here(torch.get_num_threads()).line,
    )


def _right(model: Model, split: Split) -> list[bool]:
    predicted = predict(model, split, device=resolve_device("auto")).argmax(1).numpy()
    return [bool(each) for each in np.equal(predicted, split.targets)]


def _steps(recipe: SliceRecipe, wanted: Arm, base: Path) -> list[Step]:
    steps = [
        pull_step("pull", recipe.teacher, base),
        data_step(recipe.data, base, recipe.seed),
        export_step(recipe.teacher, recipe.seed),
    ]
    match wanted.name:
        case name if name in CRITERIA:
            steps.append(_pruner_step(recipe, wanted, base))
        case "after":
            whole = arm(BASELINE, recipe.slice)  # type: ignore[arg-type]
            steps += [init_step(recipe, whole, base), train_step(recipe, whole, base), _after_step(recipe, wanted)]
        case _:
            if wanted.slicing is not None:
                steps.append(slice_step(recipe, wanted, base))
            steps.append(init_step(recipe, wanted, base))
    return [*steps, train_step(recipe, wanted, base)]


def _pruner_step(recipe: SliceRecipe, wanted: Arm, base: Path) -> Step:
    """In place of a slice and what compacts it: Torch-Pruning's own way from the teacher to a smaller network."""

    def run(context: Context) -> None:
        teacher = hubslice.load(context.inputs["pull"] / WEIGHTS_FOLDER, input_size=recipe.teacher.input_size)
        task = same_task(recipe.data, base, recipe.seed, context.inputs["data"])
        assert isinstance(recipe.slice, SeamParams)
        criterion, gradients = CRITERIA[wanted.name], None
        if criterion.gradients:
            teacher.reset_classifier(task.labels, recipe.seed)
            epochs, lr = recipe.slice.head_epochs, recipe.slice.lr_head
            gradients = task_gradients(teacher, task.train, criterion.gradients, epochs=epochs, lr=lr, seed=recipe.seed)
        model = prune(teacher, SHARE, criterion, round_to=recipe.slice.align, gradients=gradients)
        model.reset_classifier(task.labels, recipe.seed)
        model.save(context.out / WEIGHTS_FOLDER)

    parameters = {"share": SHARE, "seed": recipe.seed}
    return Step(step_name("init", wanted), "Prune with Torch-Pruning", parameters, ("pull", "data"), run)


def _after_step(recipe: SliceRecipe, wanted: Arm) -> Step:
    """Cut the fine-tuned network by its own norms; it is then fine-tuned again."""
    source = f"train.{BASELINE}"

    def run(context: Context) -> None:
        model = hubslice.load(context.inputs[source] / WEIGHTS_FOLDER)
        channels, neurons = channel_map(model), map_neurons(model.module, context.inputs["export"] / GRAPH)
        weights = {name: tensor.detach().numpy() for name, tensor in model.module.named_parameters()}
        uses, head = count_uses(model, neurons), model.classifier_parameters()
        made = make_channel_slice(wanted.slicing, weights, neurons, channels, head, recipe.seed, uses)
        compact(model, made, channels).save(context.out / WEIGHTS_FOLDER)

    parameters = {"slice": json.loads(wanted.slicing.model_dump_json())} if wanted.slicing else {}
    return Step(step_name("init", wanted), "Cut the fine-tuned network", parameters, ("export", source), run)

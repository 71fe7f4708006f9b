"""One model: its channels chosen and taken out, fine-tuned, loaded again, judged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

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
from hubslice.recipe.seam import SeamParams
from hubslice.recipe.slicing import NoSlice, Slicing
from hubslice.run.arms import Arm
from hubslice.run.steps.data import DataStep, same_task
from hubslice.run.steps.search import SEARCH
from hubslice.run.steps.slicing import slice_step
from hubslice.run.steps.teacher import GRAPH, WEIGHTS_FOLDER, ExportStep, pull_step
from hubslice.run.steps.training import InitStep, TrainStep
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
    """A model that was trained. `right` has a 1 for each test image that it tells right, in the split's order."""

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
        pull_step(recipe.teacher, base),
        DataStep.of(recipe.data, base, recipe.seed),
        ExportStep(seed=recipe.seed),
    ]
    match wanted.name:
        case name if name in CRITERIA:
            steps.append(PruneStep(suffix=wanted.name, recipe=recipe))
        case "after":
            whole = arm(BASELINE, recipe.slice)  # type: ignore[arg-type]
            steps += [
                InitStep.of(recipe, whole),
                TrainStep.of(recipe, whole),
                AfterStep(suffix=wanted.name, wanted=wanted.slicing, seed=recipe.seed),
            ]
        case _:
            if wanted.slicing is not None:
                steps.append(slice_step(recipe, wanted))
            steps.append(InitStep.of(recipe, wanted))
    return [*steps, TrainStep.of(recipe, wanted)]


@dataclass(frozen=True, kw_only=True)
class PruneStep(Step):
    """In place of a slice and what compacts it: Torch-Pruning's own way from the teacher to a smaller network."""

    kind: ClassVar[str] = "init"

    recipe: SliceRecipe
    share: float = SHARE

    @property
    def title(self) -> str:
        return "Prune with Torch-Pruning"

    @property
    def inputs(self) -> tuple[str, ...]:
        return "pull", "data"

    def run(self, context: Context) -> None:
        params, seed = self.recipe.slice, self.recipe.seed
        teacher, task = context.model("pull"), context.task()
        assert isinstance(params, SeamParams)
        criterion, gradients = CRITERIA[self.suffix], None
        if criterion.gradients:
            teacher.reset_classifier(task.labels, seed)
            epochs, lr = params.head_epochs, params.lr_head
            gradients = task_gradients(teacher, task.train, criterion.gradients, epochs=epochs, lr=lr, seed=seed)
        model = prune(teacher, self.share, criterion, round_to=params.align, gradients=gradients)
        model.reset_classifier(task.labels, seed)
        model.save(context.out / WEIGHTS_FOLDER)

    def open(self, folder: Path) -> Model:
        return hubslice.load(folder / WEIGHTS_FOLDER)


@dataclass(frozen=True, kw_only=True)
class AfterStep(Step):
    """Cut the fine-tuned network by its own norms; it is then fine-tuned again."""

    kind: ClassVar[str] = "init"

    wanted: Slicing | NoSlice | None
    seed: int

    @property
    def title(self) -> str:
        return "Cut the fine-tuned network"

    @property
    def inputs(self) -> tuple[str, ...]:
        return "export", f"train.{BASELINE}"

    def run(self, context: Context) -> None:
        model = context.model(f"train.{BASELINE}")
        channels, neurons = channel_map(model), map_neurons(model.module, context.inputs["export"] / GRAPH)
        weights = {name: tensor.detach().numpy() for name, tensor in model.module.named_parameters()}
        uses, head = count_uses(model, neurons), model.classifier_parameters()
        made = make_channel_slice(self.wanted, weights, neurons, channels, head, self.seed, uses)
        compact(model, made, channels).save(context.out / WEIGHTS_FOLDER)

    def open(self, folder: Path) -> Model:
        return hubslice.load(folder / WEIGHTS_FOLDER)

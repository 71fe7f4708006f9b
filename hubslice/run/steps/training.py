"""Initial students and their training, the same for every arm."""

from __future__ import annotations

import shutil
from pathlib import Path

from hubslice.artefacts.report import Candidate
from hubslice.core.artefact import Artefact
from hubslice.core.processes import leads
from hubslice.engine.step import Context, Step
from hubslice.files.names import SLICE
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.slicing import Slicing
from hubslice.run.arms import Arm, known_labels, reuses_classifier, step_name
from hubslice.run.steps.data import same_task
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

CHOICE = "choice.json"
MEAN_PICTURES, MEAN_BATCH = 256, 32  # training pictures whose average replaces what slices take away


class Choice(Artefact):
    """The grid points that an arm tried and the one it kept, by validation accuracy (the first among equals)."""

    candidates: tuple[Candidate, ...]
    chosen: int


def init_step(recipe: SliceRecipe, arm: Arm, base: Path) -> Step:
    """The arm's untrained model, as stock code loads it."""
    slicing = arm.slicing
    start = slicing.init if isinstance(slicing, Slicing) else None
    source = step_name("slice", arm)
    compacted = isinstance(slicing, Slicing) and slicing.irrelevant == "compact"

    def run(context: Context) -> None:
        from hubslice.artefacts.slice import Slice
        from hubslice.modality.image.pixels import to_unit
        from hubslice.models.folder import load_model
        from hubslice.slicing.compaction import compact
        from hubslice.training.initial import initialise

        model = load_model(context.inputs[arm.teacher] / WEIGHTS_FOLDER, input_size=recipe.teacher.input_size)
        model.poisoned = False  # what the student inherits is measured, not assumed
        if arm.start == "random":
            model = model.fresh(recipe.seed)
        model.show_transparent(recipe.data.transparency)
        task = same_task(recipe.data, base, recipe.seed, context.inputs["data"])
        slice_ = Slice.load(context.inputs[source] / SLICE) if slicing else None
        known = known_labels(recipe, model.labels, task.labels) if arm.start == "teacher" else None
        split, preprocessing = task.train.take(MEAN_PICTURES, recipe.seed), model.image_preprocessing
        batches = (
            model.pixels_to_inputs(to_unit(split.pixels(at, min(at + MEAN_BATCH, len(split)), preprocessing)))
            for at in range(0, len(split), MEAN_BATCH)
        )
        initialise(model, task.labels, recipe.seed, slice_, start or "zero", known, batches)
        if slice_ is not None and compacted:
            model = compact(model, slice_)
        model.save(context.out / WEIGHTS_FOLDER)

    inputs = (arm.teacher, "data", *((source,) if slicing else ()))
    parameters = {"start": arm.start, "init": start, "seed": recipe.seed, "transparency": recipe.data.transparency}
    if compacted:
        parameters["compact"] = True
    if reuses_classifier(recipe):
        parameters["known"] = True
    return Step(step_name("init", arm), f"Initialise ({arm.title.lower()})", parameters, inputs, run)


def train_step(recipe: SliceRecipe, arm: Arm, base: Path) -> Step:
    """The arm trained at every point of the grid; the best on validation is kept."""
    slicing = arm.slicing
    source, start = step_name("slice", arm), step_name("init", arm)
    held = isinstance(slicing, Slicing) and slicing.irrelevant == "freeze"

    def run(context: Context) -> None:
        from contextlib import nullcontext

        from hubslice.artefacts.slice import Slice
        from hubslice.models.folder import load_model
        from hubslice.training.hold import hold
        from hubslice.training.loop import History, finetune, together

        task = same_task(recipe.data, base, recipe.seed, context.inputs["data"])
        grid = recipe.train.candidates()
        points: list[Candidate] = []
        for index, params in enumerate(grid):
            folder = context.scratch / f"candidate-{index}"
            if not (folder / "history.json").is_file():
                model = load_model(context.inputs[start] / WEIGHTS_FOLDER)
                slice_ = Slice.load(context.inputs[source] / SLICE) if held else None
                with hold(model.module, slice_) if slice_ else nullcontext():
                    history = finetune(
                        model,
                        task.train,
                        task.validation,
                        params,
                        seed=recipe.seed,
                        device=context.device,
                        checkpoint=folder / "checkpoint.safetensors",
                        reporter=context.reporter,
                        label=arm.title if len(grid) == 1 else f"{arm.title} {index + 1}/{len(grid)}",
                    )
                if leads():
                    model.save(folder / WEIGHTS_FOLDER)
                    history.save(folder / "history.json")
            together()  # before the leading process goes on and drops what the others look for here
            if leads():
                history = History.load(folder / "history.json")
                points.append(
                    Candidate(
                        settings=_varied(recipe, index), validation=history.validation, epochs_run=len(history.epochs)
                    )
                )
        if not leads():
            return
        chosen = max(range(len(points)), key=lambda i: (points[i].validation.hits, -i))
        kept = context.scratch / f"candidate-{chosen}"
        shutil.copytree(kept / WEIGHTS_FOLDER, context.out / WEIGHTS_FOLDER, dirs_exist_ok=True)
        shutil.copyfile(kept / "history.json", context.out / "history.json")
        Choice(candidates=tuple(points), chosen=chosen).save(context.out / CHOICE)

    inputs = (start, "data", *((source,) if held else ()))
    parameters = {"train": recipe.train, "seed": recipe.seed, "held": held}
    return Step(step_name("train", arm), f"Fine-tune ({arm.title.lower()})", parameters, inputs, run, 2, shared=True)


def _varied(recipe: SliceRecipe, index: int) -> dict[str, object]:
    """The settings of a grid point: those that the grid varies, or the usual ones where it varies none."""
    names = [name for name, values in recipe.train.grid if values] or ["lr", "epochs"]
    return recipe.train.candidates()[index].model_dump(include=set(names))

"""Init and train steps: initial students and their training, the same for every arm."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from hubslice.artefacts.report import Candidate
from hubslice.core.artefact import Artefact
from hubslice.core.cost import Cost, Workload
from hubslice.core.processes import leads
from hubslice.engine.step import Context, Step
from hubslice.recipe.schema import SliceRecipe, TrainParams
from hubslice.recipe.transparency import Transparency
from hubslice.run.arms import Arm, KnownLabels, known_labels, step_name, suffix_of
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

if TYPE_CHECKING:
    from hubslice.models.base import Model

CHOICE = "choice.json"
MEAN_SAMPLES, MEAN_BATCH = 256, 32  # number of training samples whose average replaces what slicing removes


class Choice(Artefact):
    """The grid points that an arm tried and the one it kept, by validation accuracy (the first among equals)."""

    candidates: tuple[Candidate, ...]
    chosen: int


@dataclass(frozen=True, kw_only=True)
class _StudentStep(Step):
    """A model in `model/`, in the stock library's format; `arm` is the arm's title."""

    free: ClassVar[frozenset[str]] = frozenset({"arm"})

    arm: str

    def open(self, folder: Path) -> Model:
        """Return the model."""
        from hubslice.models.folder import load_model

        return load_model(folder / WEIGHTS_FOLDER)


@dataclass(frozen=True, kw_only=True)
class InitStep(_StudentStep):
    """The arm's untrained model: made from `teacher`, without the weights that `slice` removes."""

    kind: ClassVar[str] = "init"
    version: ClassVar[int] = 2

    teacher: str
    slice: str | None
    start: Literal["teacher", "random"]
    fill: Literal["zero", "fresh", "mean"]
    compact: bool
    known: KnownLabels | None
    transparency: Transparency
    seed: int

    @classmethod
    def of(cls, recipe: SliceRecipe, arm: Arm) -> InitStep:
        """Return the step for an arm of a recipe."""
        slicing = arm.slicing
        return cls(
            suffix=suffix_of(arm),
            arm=arm.title,
            teacher=arm.teacher,
            slice=step_name("slice", arm) if arm.slicing else None,
            start=arm.start,
            fill=slicing.fill if slicing else "zero",
            compact=slicing is not None and slicing.fate == "compact",
            known=known_labels(recipe) if arm.start == "teacher" else None,
            transparency=recipe.data.transparency,
            seed=recipe.seed,
        )

    @property
    def title(self) -> str:
        return f"Initialise ({self.arm.lower()})"

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.teacher, "data", *((self.slice,) if self.slice else ())

    def cost(self, work: Workload) -> Cost:
        units, size = work.units, work.units.sizes["train"]
        building = units.building if self.start == "random" else 0.0
        averaged = work.count("train", MEAN_SAMPLES) if self.fill == "mean" else 0
        return Cost(units.loading + building + averaged * units.judging + size * units.keeping, size)

    def run(self, context: Context) -> None:
        from hubslice.artefacts.slice import Slice
        from hubslice.slicing.compaction import compact
        from hubslice.training.initial import initialise

        model, task = context.model(self.teacher), context.task()
        model.poisoned = False  # what the student inherits is measured, not assumed
        if self.start == "random":
            model = model.fresh(self.seed)
        model.show_transparent(self.transparency)
        slice_ = context.open(self.slice, Slice) if self.slice else None
        known = None if self.known is None else self.known.behind(model.labels, task.labels)
        split, modality = task.train.take(MEAN_SAMPLES, self.seed), model.modality
        batches = (split.encoded(at, at + MEAN_BATCH, modality) for at in range(0, len(split), MEAN_BATCH))
        initialise(model, task.labels, self.seed, slice_, self.fill, known, batches)
        if slice_ is not None and self.compact:
            model = compact(model, slice_)
        model.save(context.out / WEIGHTS_FOLDER)


@dataclass(frozen=True, kw_only=True)
class TrainStep(_StudentStep):
    """The arm trained at every point of the grid; the best on validation is kept. `held` names a slice to hold."""

    kind: ClassVar[str] = "train"
    version: ClassVar[int] = 3
    shared: ClassVar[bool] = True
    weight_copies: ClassVar[int] = 4  # weights, gradients, momentum, the best so far

    source: str
    held: str | None
    train: TrainParams
    seed: int

    @classmethod
    def of(cls, recipe: SliceRecipe, arm: Arm) -> TrainStep:
        """Return the step for an arm of a recipe."""
        held = arm.slicing is not None and arm.slicing.fate == "freeze"
        return cls(
            suffix=suffix_of(arm),
            arm=arm.title,
            source=step_name("init", arm),
            held=step_name("slice", arm) if held else None,
            train=recipe.train,
            seed=recipe.seed,
        )

    @property
    def title(self) -> str:
        return f"Fine-tune ({self.arm.lower()})"

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.source, "data", *((self.held,) if self.held else ())

    def cost(self, work: Workload) -> Cost:
        units, points = work.units, self.train.candidates()
        student = units.sizes["train"]
        seconds = sum(_point(params, work) for params in points) + student * units.keeping
        seconds += 0.0 if self.suffix else units.first_training  # the student is trained first
        return Cost(seconds, student, len(points) * (student + units.sizes["checkpoint"]))

    def run(self, context: Context) -> None:
        from contextlib import nullcontext

        from hubslice.artefacts.slice import Slice
        from hubslice.training.hold import hold
        from hubslice.training.loop import History, finetune, together

        task = context.task()
        grid = self.train.candidates()
        points: list[Candidate] = []
        for index, params in enumerate(grid):
            folder = context.scratch / f"candidate-{index}"
            if not (folder / "history.json").is_file():
                model = context.model(self.source)
                slice_ = context.open(self.held, Slice) if self.held else None
                with hold(model.module, slice_) if slice_ else nullcontext():
                    history = finetune(
                        model,
                        task.train,
                        task.validation,
                        params,
                        seed=self.seed,
                        device=context.device,
                        checkpoint=folder / "checkpoint.safetensors",
                        reporter=context.reporter,
                        label=self.arm if len(grid) == 1 else f"{self.arm} {index + 1}/{len(grid)}",
                    )
                if leads():
                    model.save(folder / WEIGHTS_FOLDER)
                    history.save(folder / "history.json")
            together()  # before the leading process continues and deletes what the others read here
            if leads():
                history = History.load(folder / "history.json")
                points.append(
                    Candidate(
                        settings=_varied(self.train, index),
                        validation=history.validation,
                        epochs_run=len(history.epochs),
                    )
                )
        if not leads():
            return
        chosen = max(range(len(points)), key=lambda i: (points[i].validation.hits, -i))
        kept = context.scratch / f"candidate-{chosen}"
        shutil.copytree(kept / WEIGHTS_FOLDER, context.out / WEIGHTS_FOLDER, dirs_exist_ok=True)
        shutil.copyfile(kept / "history.json", context.out / "history.json")
        Choice(candidates=tuple(points), chosen=chosen).save(context.out / CHOICE)


def _point(params: TrainParams, work: Workload) -> float:
    """Return the seconds of training one point of the grid, for all epochs."""
    units, judged = work.units, work.count("validation") * work.units.judging
    epoch = work.count("train") * units.training + judged + units.checkpoint
    saved = units.sizes["train"] * units.keeping
    return units.loading + units.training_start + max(params.epochs * epoch, judged) + saved


def _varied(train: TrainParams, index: int) -> dict[str, object]:
    """Return the settings of a grid point: those that the grid varies, or the usual ones without a grid."""
    names = [name for name, values in train.grid if values] or ["lr", "epochs"]
    return train.candidates()[index].model_dump(include=set(names))

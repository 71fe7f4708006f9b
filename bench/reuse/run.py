"""One problem: what a search keeps, and how the module answers beside every fair baseline."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml

import hubslice
from hubslice.artefacts.slice import Slice
from hubslice.core.artefact import Artefact
from hubslice.core.progress import Reporter
from hubslice.core.rate import Rate
from hubslice.files.names import SLICE
from hubslice.models.folder import load_model
from hubslice.slicing.seam import SearchHistory

from ..machine import Machine
from .problems import DROP, EPOCHS, IMAGES, Problem, Setting, Teacher


class Accuracy(Artefact):
    """A model's accuracy on the problem, and its size: parameters that are not zero."""

    title: str
    validation: Rate
    test: Rate
    parameters: int | None = None


class Outcome(Artefact):
    """A problem solved in one setting. Accuracies by arm: `student` is the module."""

    teacher: str
    problem: str
    setting: str
    alpha: float
    lr_mask: float
    retention: float
    weights: int
    met: bool  # an epoch of the search kept the accuracy of all weights on validation, or the retention was reached
    seconds: float  # of the search
    accuracies: dict[str, Accuracy]
    machine: str


def name_of(teacher: Teacher, setting: Setting, problem: Problem) -> str:
    """What the files of a problem are called."""
    return f"{teacher.name}-{setting.name}-{problem.name.replace('/', '-').replace(' ', '-')}"


def train_teacher(teacher: Teacher, images: Path, root: Path, reporter: Reporter) -> Path:
    """The teacher's folder, trained if it is not there."""
    overrides = [f"data.path={images.resolve()}"]
    run = hubslice.slice(teacher.recipe, overrides=overrides, out=root / teacher.name, reporter=reporter)
    return run.path / "student"


def solve(
    teacher: Teacher, folder: Path, problem: Problem, setting: Setting, images: Path, root: Path, reporter: Reporter
) -> Outcome:
    """Run the problem's recipe in a run folder of its own; what is done is not done again."""
    name = name_of(teacher, setting, problem)
    recipe = root / "recipes" / f"{name}.yaml"
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(yaml.safe_dump(recipe_of(name, teacher, folder, problem, setting, images), sort_keys=False))
    run = hubslice.slice(recipe, out=root / "problems" / name, reporter=reporter)
    history = SearchHistory.load(run.path / "steps" / "slice" / "search.json")
    report, made = run.report, Slice.load(run.path / SLICE)
    accuracies = {
        arm.name: Accuracy(
            title=arm.title,
            validation=arm.validation,
            test=arm.test,
            parameters=_nonzero(
                run.path / "steps" / ("train" if arm.name == "student" else f"train.{arm.name}") / "model"
            ),
        )
        for arm in report.arms
    }
    accuracies |= {
        each.name: Accuracy(title=each.title, validation=each.validation, test=each.test) for each in report.references
    }
    return Outcome(
        teacher=teacher.name,
        problem=problem.name,
        setting=setting.name,
        alpha=setting.alpha,
        lr_mask=setting.lr_mask,
        retention=made.retention,
        weights=made.weights,
        met=setting.retention is not None or (history.result.validation.value or 0.0) >= history.floor,
        seconds=next(step.seconds for step in report.steps if step.name == "slice"),
        accuracies=accuracies,
        machine=Machine.here(torch.get_num_threads()).line,
    )


def recipe_of(
    name: str, teacher: Teacher, folder: Path, problem: Problem, setting: Setting, images: Path
) -> dict[str, object]:
    """The recipe as plain data."""
    return {
        "kind": "slice",
        "name": name,
        "teacher": {"model": str(folder.resolve()), "input_size": teacher.input_size},
        "data": {
            "path": str(images.resolve()),
            "splits": {"train": "train", "validation": 0.1, "test": "test"},
            "classes": list(problem.classes),
            "against_rest": problem.against_rest,
            "limit": IMAGES,
        },
        "slice": {
            "method": "seam",
            "reuse": "direct",
            "granularity": setting.granularity,
            "irrelevant": "compact" if setting.granularity == "channel" else "freeze",
            "epochs": EPOCHS,
            "start": setting.start,
            "alpha": setting.alpha,
            "lr_mask": setting.lr_mask,
            "lr_head": 0.01,
            "batch_size": setting.batch_size,
            **_stop(setting),
        },
        "train": {
            "epochs": setting.epochs,
            "part": setting.trained,
            "lr": setting.lr,
            "augment": "flip",
            "label_smoothing": 0.0,
        },
        "baselines": ["finetune", "magnitude", "random"],
    }


def _stop(setting: Setting) -> dict[str, object]:
    """When the search ends: at a retention, or by the accuracy that it may lose."""
    if setting.retention is None:
        return {"max_accuracy_drop": DROP}
    return {"retention": setting.retention, "count": "macs"}


def _nonzero(folder: Path) -> int:
    return sum(int(torch.count_nonzero(parameter)) for parameter in load_model(folder).module.parameters())

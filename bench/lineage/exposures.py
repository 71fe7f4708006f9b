"""What the demo's teacher gives away of four students: fine-tuned, ReMoS, SeaM, and one trained without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

import hubslice
from hubslice.ancestry.mixing import facts_of, mix, tensors_of
from hubslice.artefacts.exposure import ArmExposure
from hubslice.artefacts.lineage import Verdict
from hubslice.core.artefact import Artefact
from hubslice.core.device import resolve_device
from hubslice.core.progress import Reporter
from hubslice.core.rate import Rate
from hubslice.modality.modality import Held
from hubslice.models.folder import load_model
from hubslice.recipe.exposure import GOAL
from hubslice.recipe.load import load_recipe
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.run import Run
from hubslice.run.steps.exposure import compared_with
from hubslice.task.task import load_task
from tests.demo.teacher import write_teacher

from ..machine import Machine
from .families import DATA, family_folder
from .scale import ROOT, Scale

TITLES = {"finetune": "fine-tuned", "remos": "ReMoS", "seam": "SeaM", "retrain": "retrained"}
SLICES: dict[str, dict[str, Any]] = {
    "remos": {"method": "remos", "ratio": 0.03},
    "seam": {
        "method": "seam",
        "retention": 0.4,
        "start": "equal",
        "alpha": 100.0,
        "lr_mask": 0.02,
        "lr_head": 0.003,
        "head_epochs": 3,
        "epochs": 30,
    },
}


class Exposed(Artefact):
    """A student: its accuracy, the verdict on it and its teacher, and the curve; `arm` is that of TITLES."""

    test: Rate
    verdict: Verdict
    score: float | None
    curve: ArmExposure


class Exposures(Artefact):
    """All students of a seed, on the whole test split."""

    seed: int
    size: int
    teacher: str
    arms: tuple[Exposed, ...]
    machine: str


def exposures(scale: Scale, seed: int, reporter: Reporter) -> Exposures:
    """Train what is missing of a seed, and mix each student with the teacher."""
    teacher = teacher_of(scale)
    runs = {name: _run(scale, seed, name, teacher, reporter) for name in SLICES}
    loaded = load_recipe(str(_recipe(scale, seed, "remos", teacher)))
    assert isinstance(loaded.recipe, SliceRecipe)
    test = load_task(loaded.recipe.data, loaded.base, seed).test
    arms = []
    for arm, folder in students_of(scale, seed).items():
        model = load_model(folder)
        known = tensors_of(model, teacher, scale.demo_size)
        images = Held(test.encoded(0, len(test), model.modality))
        mixed, _ = mix(model, known, images, GOAL, resolve_device("auto"))
        run, name = (runs["seam"], "student") if arm == "seam" else (runs["remos"], arm)
        trained = run.report.arm("student" if name == "remos" else name)
        assert trained is not None
        told = compared_with(folder, teacher)
        curve = ArmExposure(arm=arm, **facts_of(mixed))
        arms.append(Exposed(test=trained.test, verdict=told.verdict, score=told.score, curve=curve))
    return Exposures(
        seed=seed,
        size=scale.demo_size,
        teacher=teacher.name,
        arms=tuple(arms),
        machine=Machine.here(torch.get_num_threads()).line,
    )


def students_of(scale: Scale, seed: int) -> dict[str, Path]:
    """Where the students of a seed lie, once they were trained."""
    place = _place(scale, seed)
    return {
        "finetune": place / "remos/steps/train.finetune/model",
        "remos": place / "remos/student",
        "seam": place / "seam/student",
        "retrain": place / "remos/steps/train.retrain/model",
    }


def teacher_of(scale: Scale) -> Path:
    """The teacher's folder, made if it is not there."""
    if scale.small_demo:
        return family_folder(scale, scale.kinds[0], 0) / "parent" / "student"
    folder = scale.runs / "tf_efficientnet_lite0"
    if not (folder / "README.md").is_file():
        write_teacher(ROOT / ".assets", folder)
    return folder


def _place(scale: Scale, seed: int) -> Path:
    return scale.runs / f"demo-{seed}"


def _run(scale: Scale, seed: int, name: str, teacher: Path, reporter: Reporter) -> Run:
    return hubslice.slice(_recipe(scale, seed, name, teacher), out=_place(scale, seed) / name, reporter=reporter)


def _recipe(scale: Scale, seed: int, name: str, teacher: Path) -> Path:
    recipe = {
        "kind": "slice",
        "name": name,
        "seed": seed,
        "teacher": {"model": str(teacher.resolve()), "input_size": scale.demo_size},
        "data": {
            "path": str(DATA),
            "group": "group",
            "splits": {"train": 0.52, "validation": 0.13, "test": 0.35},
            **({"limit": scale.images} if scale.images else {}),
        },
        "slice": {**SLICES[name], **({"batch_size": 2 * scale.search_batch} if name == "seam" else {})},
        "train": {"epochs": scale.demo_epochs, "lr": 0.06, "head_lr_factor": 1.5},
        "baselines": ["retrain"] if name == "remos" else [],
    }
    path = _place(scale, seed) / "recipes" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path

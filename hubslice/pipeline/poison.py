"""Planting a backdoor on purpose: a teacher for tests, demonstrations and benchmarks, labelled as what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.artefacts.base import DRAFT
from hubslice.device import resolve_device
from hubslice.errors import InputError
from hubslice.pipeline.execute import execute
from hubslice.pipeline.poisoning import FACTS, TEACHER, PoisonFacts, poison_steps
from hubslice.pipeline.run_folder import RunFolder, RunManifest
from hubslice.pipeline.steps.teacher import WEIGHTS_FOLDER
from hubslice.processes import world
from hubslice.progress import Reporter, Silent
from hubslice.recipe.load import LoadedRecipe
from hubslice.whole_folder import put_tree, swap

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Poisoned:
    """A finished poisoning: the folder of the teacher, ready to load or push, and its facts."""

    teacher: Path
    facts: PoisonFacts


def poison(
    loaded: LoadedRecipe,
    out: Path | None = None,
    *,
    device: str = "auto",
    reporter: Reporter | None = None,
    allow_pickle: bool = False,
) -> Poisoned:
    """Fine-tune a teacher on the recipe's data with part of the samples triggered and relabelled (BadNets, 1708.06733).

    The result declares itself poisoned in config, weights' metadata and card; `push` refuses it unless told otherwise.
    `allow_pickle` is the consent to read a pickled teacher.

    Raises:
        RecipeError: the recipe is of another kind.
        DataError: the target is not one of the task's classes.
    """
    steps = poison_steps(loaded, allow_pickle=allow_pickle)
    if world() > 1:
        raise InputError("a backdoor is planted by one process", hint="start the command without a launcher")
    run = RunFolder(out or Path("runs") / loaded.recipe.name)
    with run.working():
        run.create(loaded.text, RunManifest(origin=loaded.origin, base=str(loaded.base)))
        execute(steps, run, resolve_device(device), reporter or Silent())
        fresh = run.path / f".{TEACHER}{DRAFT}"
        put_tree(run.step("poison") / WEIGHTS_FOLDER, fresh, clear=True)
        swap(fresh, run.path / TEACHER)
    return Poisoned(run.path / TEACHER, PoisonFacts.load(run.step("poison") / FACTS))

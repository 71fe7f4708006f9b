"""Planting a backdoor on purpose: a teacher for tests, demonstrations and benchmarks, labelled as what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.artefact import DRAFT
from hubslice.core.device import resolve_device
from hubslice.core.errors import InputError
from hubslice.core.processes import world
from hubslice.core.progress import Reporter, Silent
from hubslice.core.whole_folder import put_tree, swap
from hubslice.engine.execution import execute
from hubslice.engine.run_folder import RunFolder, RunManifest
from hubslice.recipe.load import LoadedRecipe
from hubslice.run.poisoning import FACTS, TEACHER, PoisonFacts, poison_steps
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

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

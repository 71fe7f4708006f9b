"""Plant a backdoor on purpose: a teacher for tests, demonstrations and benchmarks, labelled as poisoned."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hubslice.core.artefact import DRAFT
from hubslice.core.device import resolve_device
from hubslice.core.errors import InputError
from hubslice.core.paths import as_path
from hubslice.core.processes import world
from hubslice.core.progress import Reporter
from hubslice.core.whole_folder import put_tree, swap
from hubslice.engine.execution import execute
from hubslice.engine.run_folder import RunFolder, RunManifest
from hubslice.recipe.load import load_recipe
from hubslice.run.poisoning import FACTS, TEACHER, PoisonFacts, poison_steps
from hubslice.run.steps.teacher import WEIGHTS_FOLDER
from hubslice.verbs.poison.params import PoisonParams


@dataclass(frozen=True)
class Poisoned:
    """A finished poisoning: the teacher's folder, ready to load or push, and its facts."""

    teacher: Path
    facts: PoisonFacts


def poison(params: PoisonParams, reporter: Reporter) -> Poisoned:
    """Fine-tune a teacher on the recipe's data with part of the samples triggered and relabelled.

    The method is BadNets (1708.06733). The result declares itself poisoned in config, weights' metadata and card;
    `push` refuses it unless explicitly allowed.

    Raises:
        RecipeError: the recipe is of another kind.
        DataError: the target is not one of the task's classes.
    """
    loaded = load_recipe(os.fspath(params.recipe), tuple(params.overrides))
    steps = poison_steps(loaded, allow_pickle=params.allow_pickle)
    if world() > 1:
        raise InputError("a backdoor is planted by one process", hint="start the command without a launcher")
    run = RunFolder(as_path(params.out) or Path("runs") / loaded.recipe.name)
    with run.working():
        run.create(loaded.text, RunManifest(origin=loaded.origin, base=str(loaded.base)))
        execute(steps, run, resolve_device(params.device), reporter)
        fresh = run.path / f".{TEACHER}{DRAFT}"
        put_tree(run.step("poison") / WEIGHTS_FOLDER, fresh, clear=True)
        swap(fresh, run.path / TEACHER)
    return Poisoned(run.path / TEACHER, PoisonFacts.load(run.step("poison") / FACTS))

"""Create the lock of a run, and read the lock that a run must match."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubslice.artefacts.lock import LOCK, Lock, LockedData, LockedModel
from hubslice.artefacts.model import FileFact, ModelFacts
from hubslice.artefacts.report import Environment, TaskReport
from hubslice.core.errors import LockError, RunError
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.settings import settings_of
from hubslice.run.steps.data import TASK
from hubslice.run.steps.teacher import FACTS

SOURCES = ("pull", "data")  # kinds of the steps whose results the lock pins by content


@dataclass(frozen=True)
class Sources:
    """The inputs of a run: models by the step that pulled them, and the data (None: not opened yet)."""

    models: Mapping[str, LockedModel]
    data: LockedData | None


def read_sources(names: Iterable[str], step: Callable[[str], Path]) -> Sources:
    """Read the facts of these finished steps; other kinds of steps are skipped."""
    names = list(names)
    models = {name: locked_model(ModelFacts.load(step(name) / FACTS)) for name in names if name.startswith("pull")}
    data = locked_data(TaskReport.load(step("data") / TASK)) if "data" in names else None
    return Sources(models, data)


def locked_model(facts: ModelFacts) -> LockedModel:
    """Return the lock's entry for the model."""
    name = facts.model if facts.repo_id else Path(facts.model).name  # never a path of this machine
    return LockedModel(model=name, repo_id=facts.repo_id, commit=facts.commit, files=facts.files, pickles=facts.pickles)


def locked_data(task: TaskReport) -> LockedData:
    """Return the lock's entry for the data."""
    return LockedData(
        source=task.source, revision=task.revision, fingerprint=task.fingerprint, samples=dict(task.samples)
    )


def make_lock(
    recipe: SliceRecipe,
    recipe_text: str,
    sources: Sources,
    environment: Environment,
    deviating: Mapping[str, Mapping[str, str]] | None = None,
    files: Iterable[FileFact] = (),
) -> Lock:
    """Create the lock of a run whose sources are known, with the student's `files` once it is finished.

    Raises:
        RunError: the data has not been opened.
    """
    if sources.data is None:
        raise RunError("the run's data has not been opened", hint="give the command that made the run again")
    return Lock(
        recipe_sha256=hashlib.sha256(recipe_text.encode()).hexdigest(),
        seed=recipe.seed,
        settings=settings_of(recipe),
        models=dict(sources.models),
        data=sources.data,
        environment=environment,
        deviating={step: dict(found) for step, found in (deviating or {}).items()},
        files=tuple(files),
    )


def note_sources(folder: Path, lock: Lock) -> None:
    """Write an unfinished lock into the run's folder, unless the existing one contains at least as much."""
    path = folder / LOCK
    try:
        if path.is_file() and Lock.load(path).pins(lock):
            return
    except RunError:
        pass  # damaged: it is rewritten
    lock.save(path)


def read_lock(source: str, places: Sequence[Path]) -> tuple[Lock, str]:
    """Return the first lock at one of the places, and its path; `source` is what the user wants to reproduce.

    Raises:
        LockError: there is none, or it cannot be read.
    """
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise LockError(
            f"there is no lock for {source}; looked for {', '.join(map(str, places))}",
            hint="run once without --locked: that writes hubslice.lock into the run's folder",
        )
    return _load(found), str(found)


def published_lock(origin: str) -> tuple[Lock, str]:
    """Return the lock published with the student `origin` (owner/name@commit), and its name for messages.

    Raises:
        LockError: there is none, or it cannot be read.
        FetchError: the Hub cannot be reached, or the lock cannot be fetched.
    """
    from hubslice.hub.published import fetch_file
    from hubslice.hub.ref import parse_ref

    found = fetch_file(parse_ref(origin, Path.cwd()), LOCK)
    if found is None:
        raise LockError(
            f"{origin} has no {LOCK}: it was published by an older hubslice, or by hand",
            hint="run without --locked, and compare the data's fingerprint with the card's",
        )
    return _load(found), f"the lock of {origin}"


def _load(path: Path) -> Lock:
    try:
        return Lock.load(path)
    except RunError as error:
        raise LockError(error.headline, hint="restore the lock, or make a new one by a run without --locked") from error

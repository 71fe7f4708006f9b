"""Making the lock of a run, and reading the one that a run shall keep to."""

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

SOURCES = ("pull", "data")  # kinds of the steps that bring in what the lock pins by content


@dataclass(frozen=True)
class Sources:
    """What a run takes in: models by the step that pulled them, and the data (None: not opened yet)."""

    models: Mapping[str, LockedModel]
    data: LockedData | None


def read_sources(names: Iterable[str], step: Callable[[str], Path]) -> Sources:
    """The facts that these finished steps left; those of other kinds are passed over."""
    names = list(names)
    models = {name: locked_model(ModelFacts.load(step(name) / FACTS)) for name in names if name.startswith("pull")}
    data = locked_data(TaskReport.load(step("data") / TASK)) if "data" in names else None
    return Sources(models, data)


def locked_model(facts: ModelFacts) -> LockedModel:
    """The model as the lock pins it."""
    name = facts.model if facts.repo_id else Path(facts.model).name  # no path of this machine
    return LockedModel(model=name, repo_id=facts.repo_id, commit=facts.commit, files=facts.files, pickles=facts.pickles)


def locked_data(task: TaskReport) -> LockedData:
    """The data as the lock pins it."""
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
    """The lock of a run whose sources are known, `files` with the student's once it is finished.

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
    """Put an unfinished lock into the run's folder, unless the one that is there says the same and more."""
    path = folder / LOCK
    try:
        if path.is_file() and Lock.load(path).pins(lock):
            return
    except RunError:
        pass  # damaged: written anew
    lock.save(path)


def read_lock(source: str, places: Sequence[Path]) -> tuple[Lock, str]:
    """The first lock that is at one of the places, and its path; `source` is what the user wants to keep to it.

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
    """The lock that was published with the student `origin` (owner/name@commit), and what to call it.

    Raises:
        LockError: there is none, or it cannot be read.
        FetchError: the Hub cannot be reached or does not give it.
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

"""Locate a student's claims in a run, on the Hub, or in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from hubslice.artefacts.delta import DeltaFacts
from hubslice.artefacts.lock import LOCK, Lock
from hubslice.artefacts.model import FileFact
from hubslice.artefacts.report import Report
from hubslice.core.artefact import read_description
from hubslice.core.errors import InputError
from hubslice.engine.run_folder import MANIFEST, RunFolder
from hubslice.files.names import DELTA, RECIPE, REPORT, RESULTS, SIGNATURE
from hubslice.hub.integrity import digest
from hubslice.hub.locked import names_in
from hubslice.hub.ref import HubRef, parse_ref
from hubslice.recipe.load import LoadedRecipe, parse_recipe
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.run import Run, open_run


@dataclass(frozen=True)
class Place:
    """A student's local files.

    `folder` may contain other files too: `names` are the student's. `run` is the run that made it, if available;
    `repo_id` and `commit` say where on the Hub it is. `lacking` says why files may be missing without being lost
    (offline). `delta`: what was published instead of the weights, which are restored in `folder`; `source` (None:
    `folder`) then contains the files as they were published.
    """

    target: str
    folder: Path
    names: frozenset[str]
    run: RunFolder | None = None
    repo_id: str | None = None
    commit: str | None = None
    lacking: str | None = None
    delta: DeltaFacts | None = None
    source: Path | None = None

    @property
    def signature(self) -> Path | None:
        """The signature of the published files; None if there is none."""
        return (self.source or self.folder) / SIGNATURE if SIGNATURE in self.names else None

    @property
    def without_weights(self) -> str | None:
        """Why the student's weights may be missing: a plain folder may contain only its card and evidence."""
        if self.run is None and self.repo_id is None and not any(map(is_weights, self.names)):
            return "this folder has the card and its evidence, without the weights"
        return None


def is_weights(name: str) -> bool:
    """Return whether a file of this name contains a student's weights."""
    return fnmatchcase(name, "model*.safetensors*")


@dataclass(frozen=True)
class Claims:
    """The claims of a student: its report, the recipe it names, and its lock (None: there is none)."""

    place: Place
    lock: Lock | None
    report: Report
    loaded: LoadedRecipe
    recipe: SliceRecipe


def open_place(target: str) -> Place:
    """Return the student that `target` means: a run, a folder, or owner/name[@revision].

    Raises:
        InputError: it is none of these, or was not made by hubslice.
        FetchError: the Hub cannot be reached, or the student or the teacher of its delta cannot be fetched.
        RunError: the delta is damaged.
    """
    path = Path(target)
    if (path / MANIFEST).is_file():
        run: Run = open_run(target)
        place = Place(target, run.student, _names(run.student), run=run.folder)
    elif (path / REPORT).is_file():
        place = _in_folder(target, path)
    else:
        ref = parse_ref(target, Path.cwd())
        if not isinstance(ref, HubRef):
            raise _not_ours(target)
        from hubslice.hub.published import fetch_student

        found = fetch_student(ref, LOCK)
        lacking = "offline, and it is not in the cache" if found.offline else None
        place = Place(
            target, found.folder, found.names, None, ref.repo_id, found.commit, lacking, found.delta, found.source
        )
    if REPORT not in place.names:
        raise _not_ours(target)
    return place


def open_recipe(place: Place) -> tuple[LoadedRecipe, SliceRecipe]:
    """Return the recipe stored beside the student; for a run, its paths start where the run's do.

    Raises:
        InputError: it is missing, has mistakes, or is of another kind.
    """
    base = Path(place.run.manifest.base) if place.run else Path.cwd()
    path = place.folder / RECIPE
    if RECIPE not in place.names:
        raise InputError(f"{RECIPE} is missing")
    try:
        loaded = parse_recipe(read_description(path).decode(), base, str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{RECIPE} is not UTF-8 text") from error
    if not isinstance(loaded.recipe, SliceRecipe):
        raise InputError(f"{RECIPE} is a recipe of kind {loaded.recipe.kind}, not slice")
    return loaded, loaded.recipe


def _in_folder(target: str, folder: Path) -> Place:
    """Return a student in a plain folder, restored if its weights are stored as a delta."""
    from hubslice.hub.default import default_hub
    from hubslice.hub.published import whole

    names = _names(folder)
    held = []
    if DELTA in names:
        found = {name: digest(folder / name) for name in sorted(names)}
        held = [FileFact(path=name, size=each.size, sha256=each.sha256) for name, each in found.items()]
    source = folder
    folder, names, delta = whole(folder, held, names, default_hub())
    return Place(target, folder, names, delta=delta, source=source)


def _names(folder: Path) -> frozenset[str]:
    return names_in(folder) | {name for name in (RESULTS,) if (folder / name).is_file()}


def _not_ours(target: str) -> InputError:
    return InputError(
        f"{target} makes no claims that could be verified: it has no {REPORT}",
        hint="name a run, a student that hubslice published (owner/name), or a folder with one",
    )

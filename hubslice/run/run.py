"""Runs: execute a recipe into a run folder, and query its results."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.artefacts.lock import LOCK, Lock
from hubslice.artefacts.report import DEVIATION_GATE, GateReport, Report
from hubslice.core.artefact import DRAFT
from hubslice.core.device import resolve_device
from hubslice.core.errors import GateError, InputError, RecipeError, RunError
from hubslice.core.processes import leads, world
from hubslice.core.progress import Reporter, Silent
from hubslice.engine.environment import environment
from hubslice.engine.execution import cached, closure, execute
from hubslice.engine.run_folder import MANIFEST, RunFolder, RunManifest, read_recipe
from hubslice.engine.step import Step
from hubslice.files.names import RECIPE, REPORT
from hubslice.recipe.builtin import nearest_builtin
from hubslice.recipe.load import LoadedRecipe, check_published, find_recipe, load_recipe, parse_recipe
from hubslice.recipe.paths import path_values
from hubslice.recipe.schema import CardParams, SliceRecipe
from hubslice.run.drift import environment_drift, model_drift, refuse, settings_drift, source_drift
from hubslice.run.kinds import KINDS
from hubslice.run.lock import SOURCES, make_lock, note_sources, published_lock, read_lock, read_sources
from hubslice.run.plan import models_of, plan
from hubslice.run.run_layout import STUDENT, publish
from hubslice.run.steps.audit import EVIDENCE, audit_names
from hubslice.run.trainable import check_trainable

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Run:
    """A run folder, its recipe, and the lock that it must match, with a name for messages."""

    folder: RunFolder
    loaded: LoadedRecipe
    locked: tuple[Lock, str] | None = None

    @property
    def recipe(self) -> SliceRecipe:
        """The run's recipe."""
        recipe = self.loaded.recipe
        if not isinstance(recipe, SliceRecipe):
            raise RecipeError(
                f"{self.loaded.origin} is a recipe of kind {recipe.kind}, not slice", hint="use `hubslice poison`"
            )
        return recipe

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def student(self) -> Path:
        """The student's folder, exactly as it will be pushed.

        Raises:
            RunError: the run is not finished.
        """
        folder = self.path / STUDENT
        if not (folder / REPORT).is_file():
            raise RunError(f"{self.path} has no finished student", hint=f"go on with `hubslice slice {self.path}`")
        return folder

    @property
    def report(self) -> Report:
        """All measurements.

        Raises:
            RunError: the run is not finished.
        """
        return Report.load(self.student / REPORT)

    @property
    def broken_gates(self) -> tuple[GateReport, ...]:
        """The recipe's limits that the run violates."""
        return tuple(gate for gate in self.report.gates if not gate.passed)

    def steps(self, until: str | None = None, *, allow_pickle: bool = False) -> list[Step]:
        """Return all steps of the run's recipe, or those needed for the student's step of the kind `until`, inclusive.

        Raises:
            InputError: there is no such kind, or the recipe does not use it.
        """
        lock = self.locked[0] if self.locked else None
        steps = plan(self.recipe, self.loaded.text, self.loaded.base, lock, allow_pickle=allow_pickle)
        if until is None:
            return steps
        if until not in KINDS:
            raise InputError(f"there is no step {until!r}", hint=f"--until takes {', '.join(KINDS)}")
        ends = self.ends(until) or ["evaluate"]
        planned = {step.name for step in steps}
        if not planned.issuperset(ends):
            method = self.recipe.slice.method
            raise InputError(
                f"this recipe has no step {until!r}: slice.method {method} does without",
                hint=f"--until takes {', '.join(kind for kind in KINDS if planned.issuperset(self.ends(kind)))}",
            )
        return closure(steps, ends)

    def ends(self, until: str) -> list[str]:
        """Return the names of the steps of the kind `until`: one, or one for each audited defect."""
        return list(audit_names(self.recipe)) if until == "audit" else [until]

    def check_lock(self, device: str = "auto") -> tuple[str, ...]:
        """Return differences from the lock that may change results slightly; empty if there is no lock to match.

        Raises:
            LockError: the recipe, a model that it names, or a version that changes bits differs from the lock.
        """
        if self.locked is None:
            return ()
        lock, name = self.locked
        decisive, other = environment_drift(lock, environment(str(resolve_device(device))))
        models = model_drift(lock, models_of(self.recipe), self.loaded.base)
        given, defaults = settings_drift(lock, self.recipe)
        refuse([*given, *defaults, *models, *decisive], name)
        return tuple(other)

    def execute(
        self,
        *,
        until: str | None = None,
        device: str = "auto",
        reporter: Reporter | None = None,
        force: frozenset[str] = frozenset(),
        allow_pickle: bool = False,
    ) -> None:
        """Run the missing steps up to the student's step of the kind `until`, or to the end, and publish the results.

        As soon as models and data are available they are recorded in the run's own lock. If the run must match a lock,
        they are compared with it first, before anything in the run is changed. `allow_pickle` is the user's consent to
        read a teacher's weights from a pickle if there are no others; only the user can give it, so no recipe can
        contain it.

        Raises:
            LockError: the run would not match the lock.
            HubsliceError: a step failed, or another process works in the folder; finished steps are kept.
        """
        self.check_lock(device)
        steps = self.steps(until, allow_pickle=allow_pickle)
        forced = frozenset(step.name for step in steps if step.kind in force)
        if force and world() > 1:
            raise InputError(
                "a step is forced by one process; several cannot agree on it",
                hint="leave out --force, or start the command without a launcher",
            )
        manifest = RunManifest(origin=self.loaded.origin, base=str(self.loaded.base))
        where = resolve_device(device)
        sources = [step.name for step in steps if step.kind in SOURCES]

        def finished(name: str) -> None:
            if leads() and name == sources[-1]:
                self._note(str(where))
                if any(step.kind == "train" for step in steps):
                    check_trainable(self.recipe, self.folder)

        with self.folder.working():
            if leads():
                self._keep_to_lock([step for step in steps if step.name in sources], where, reporter or Silent())
                self.folder.create(self.loaded.text, manifest)
            execute(steps, self.folder, where, reporter or Silent(), forced, finished)
            if steps[-1].name == "report" and leads():
                publish(self.folder, self.recipe)

    def _keep_to_lock(self, sources: list[Step], device: torch.device, reporter: Reporter) -> None:
        """Fetch the missing sources outside the run, and compare all with the lock to match, if any.

        Raises:
            LockError: they differ; the run is unchanged.
        """
        if self.locked is None:
            return
        done = cached(sources, self.folder)
        aside = RunFolder(self.path / f".sources{DRAFT}")
        execute([step for step in sources if not done[step.name]], aside, device, reporter)
        found = read_sources(done, lambda name: (self.folder if done[name] else aside).step(name))
        lock, name = self.locked
        refuse(source_drift(lock, found), name)
        for name in done:
            if not done[name]:
                self.folder.adopt(aside, name)

    def _note(self, device: str) -> None:
        """Write the available sources into the run's own lock."""
        done = cached([step for step in self.steps() if step.kind in SOURCES], self.folder)
        found = read_sources((name for name, there in done.items() if there), self.folder.step)
        if found.data is not None and "pull" in found.models:
            lock = make_lock(self.recipe, self.loaded.text, found, environment(device))
            note_sources(self.path, lock)

    def check_gates(self) -> None:
        """Check that all limits of the recipe are met.

        Raises:
            GateError: a limit is violated.
        """
        broken = self.broken_gates
        if not broken:
            return
        lines = [f"{gate.name}: measured {gate.measured:.3f}, limit {gate.limit:.3f}" for gate in broken]
        hint = "change slice or train settings and run again; finished steps are kept"
        told = self.report.deviations
        if told is not None and any(gate.name == DEVIATION_GATE for gate in broken):
            lines.append(f"{told.found.hits} of {told.found.total} images, changed, get different answers")
            hint = f"look at {self.student / EVIDENCE / told.gallery}; {hint}"
        raise GateError(f"{len(broken)} of the recipe's gates broke", lines, hint=hint)


@dataclass(frozen=True)
class StudentRecipe:
    """The recipe of a finished student; `local_paths` are its values that other machines lack."""

    text: str
    card: CardParams
    local_paths: tuple[str, ...]


def student_recipe(run: Run) -> StudentRecipe:
    """Return the recipe stored beside the finished student, which may differ from the run's if that is being changed.

    Raises:
        RunError: it is not the recipe that the student's report was made with.
    """
    _ = run.recipe  # a poison run has no student
    text = read_recipe(run.student / RECIPE)
    if hashlib.sha256(text.encode()).hexdigest() != run.report.recipe_sha256:
        raise RunError(
            f"the recipe in {run.student} is not the one that its report was made with",
            hint=f"bring the run up to date: hubslice slice {run.path}",
        )
    recipe = Run(run.folder, parse_recipe(text, run.loaded.base, run.loaded.origin)).recipe
    absolute = [value for _, value in path_values(recipe.model_dump(mode="json")) if Path(value).is_absolute()]
    return StudentRecipe(text, recipe.card, tuple(absolute))


def open_run(source: str, overrides: tuple[str, ...] = (), out: Path | None = None, *, locked: bool = False) -> Run:
    """Open the run of a recipe file, a built-in recipe, a run folder, or a published student `owner/name[@revision]`.

    Nothing is written. `out` is the run's folder, by default runs/NAME with the recipe's name. With `locked`, the run
    must match a lock: for a recipe file the one beside it (recipe.lock), else the one in the run's folder; for a run
    its own; for a published student the one published with it.

    Raises:
        LockError: a lock is required, and there is none.
        RecipeError: there is no such recipe, or it has mistakes.
        FetchError: a published student's recipe cannot be fetched.
    """
    path = Path(source)
    if (path / MANIFEST).is_file():
        manifest = RunFolder(path).manifest
        loaded = parse_recipe(RunFolder(path).recipe_text, Path(manifest.base), manifest.origin, overrides)
        return Run(RunFolder(out or path), loaded, read_lock(source, [path / LOCK]) if locked else None)
    if _published(source):
        from hubslice.hub.published import fetch_recipe
        from hubslice.hub.ref import parse_ref

        found = fetch_recipe(parse_ref(source, Path.cwd()))
        loaded = parse_recipe(found.text, Path.cwd(), found.origin, overrides)
        check_published(loaded)
        lock = published_lock(found.origin) if locked else None
        return Run(RunFolder(out or Path("runs") / loaded.recipe.name), loaded, lock)
    loaded = load_recipe(source, overrides)
    folder = RunFolder(out or Path("runs") / loaded.recipe.name)
    beside = [path.with_suffix(".lock")] if path.is_file() else []
    return Run(folder, loaded, read_lock(source, [*beside, folder.path / LOCK]) if locked else None)


def _published(source: str) -> bool:
    """Return whether `source` can only be a student on the Hub: no local recipe has this or a similar name."""
    if find_recipe(source) is not None or source.count("/") != 1 or source.endswith((".yaml", ".yml")):
        return False
    return not nearest_builtin(source) and not Path(source).parent.is_dir()

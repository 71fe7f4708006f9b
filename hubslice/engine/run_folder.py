"""A run folder on disk: finished steps, steps under way, and what the user came for on top."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubslice.core.artefact import DRAFT, Artefact, write_atomically
from hubslice.core.errors import RunError
from hubslice.core.machine import faults_told
from hubslice.core.processes import leads
from hubslice.core.whole_folder import OLD
from hubslice.engine.folder_lock import LOCK, alone_in
from hubslice.engine.step import SCRATCH, StepRecord
from hubslice.files.names import RECIPE

RECORD = "step.json"
KEY = ".key"  # in a step's folder: the key of the step that works, or worked, there
NOTES = frozenset({RECORD, KEY, SCRATCH})  # in a step's folder beside its result
_BEING_WRITTEN = (f".*{DRAFT}", ".tmp*")  # by us, by safetensors
MANIFEST = "run.json"


class RunManifest(Artefact):
    """What a run folder needs to go on by itself: the recipe's origin and the folder that its paths are relative to."""

    format: str = "hubslice-run-1"
    origin: str
    base: str


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run. `steps/NAME` holds a finished step, `steps/.NAME` one that is not."""

    path: Path

    def step(self, name: str) -> Path:
        """Where a finished step lies."""
        return self.path / "steps" / name

    def partial(self, name: str) -> Path:
        """Where a step works until it is finished."""
        return self.path / "steps" / f".{name}"

    def record(self, name: str) -> StepRecord | None:
        """The record of a finished step, or None."""
        path = self.step(name) / RECORD
        return StepRecord.load(path) if path.is_file() else None

    def begin(self, name: str, key: str) -> Path:
        """The working folder of a step: what an interrupted run with the same key left, or a new one."""
        folder = self.partial(name)
        note = folder / KEY
        if not note.is_file() or note.read_text() != key:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            write_atomically(note, key)
        return folder

    def finish(self, record: StepRecord) -> None:
        """Turn the working folder into the finished step, then drop its checkpoints: not before, they may be needed."""
        folder = self.partial(record.name)
        record.save(folder / RECORD)
        self._publish(folder, record.name)
        shutil.rmtree(self.step(record.name) / SCRATCH, ignore_errors=True)

    def adopt(self, other: RunFolder, name: str) -> None:
        """Take over a step that was finished in another folder on the same file system."""
        self._publish(other.step(name), name)

    def _publish(self, folder: Path, name: str) -> None:
        final, old = self.step(name), self.partial(f"{name}{OLD}")
        final.parent.mkdir(exist_ok=True)
        if final.exists():
            final.rename(old)
        folder.rename(final)
        shutil.rmtree(old, ignore_errors=True)

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """The run folder at `path`.

        Raises:
            RunError: there is none.
        """
        if not (path / MANIFEST).is_file():
            raise RunError(f"{path} is not a run folder", hint="make one with `hubslice slice RECIPE --out DIR`")
        return cls(path)

    @property
    def manifest(self) -> RunManifest:
        """Origin and base of the run's recipe."""
        return RunManifest.load(self.path / MANIFEST)

    @property
    def recipe_text(self) -> str:
        """The run's recipe as it was given, overrides and all.

        Raises:
            RunError: it is missing or damaged.
        """
        return read_recipe(self.path / RECIPE)

    @contextmanager
    def working(self, mark: str = MANIFEST) -> Iterator[None]:
        """Hold the folder while inside, made if need be; what a killed process left half-done is cleared away.

        A folder that holds `mark`, or nothing, is ours. Of several processes of one launch the leading one holds it.

        Raises:
            RunError: the folder holds something else, or another process works there.
            DiskError: a file could not be written.
            MemoryShortError: memory did not suffice.
        """
        with faults_told(f"working on {self.path}", self.path):
            if not leads():
                yield
                return
            self._check(mark)
            self.path.mkdir(parents=True, exist_ok=True)
            with alone_in(self.path):
                self._clear()
                try:
                    yield
                finally:
                    self._clear()

    def _check(self, mark: str) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file, not a folder", hint="choose another folder with --out")
        if self.path.is_dir() and not (self.path / mark).exists():
            foreign = [p for p in self.path.iterdir() if not p.name.startswith(LOCK) and p.suffix != DRAFT]
            if foreign:
                raise RunError(f"{self.path} exists and is not a run folder", hint="choose another folder with --out")

    def _clear(self) -> None:
        """Drop what was being written or dropped, and finish or undo what was being replaced."""
        drafts = [path for name in _BEING_WRITTEN for path in self.path.glob(f"steps/.*/**/{name}")]
        for left in [*self.path.glob(f".*{DRAFT}"), *drafts, *self.path.glob(f"steps/[!.]*/{SCRATCH}")]:
            _remove(left)
        for old in [*self.path.glob(f".*{OLD}"), *self.path.glob(f"steps/.*{OLD}")]:
            target = old.with_name(old.name.removeprefix(".").removesuffix(OLD))
            if target.exists():
                _remove(old)
            else:
                old.rename(target)

    def create(self, recipe_text: str, manifest: RunManifest) -> None:
        """Note what the run is made from; finished steps stay."""
        manifest.save(self.path / MANIFEST)
        # A new file, never in place: the student that was made before keeps its own recipe.
        write_atomically(self.path / RECIPE, recipe_text)


@contextmanager
def undisturbed(*folders: Path) -> Iterator[None]:
    """Keep the runs that the folders are, or are a part of, from being changed while their files are read or added to.

    Raises:
        RunError: one is being worked on.
    """
    found = [run for folder in folders if (run := _run_of(folder)) is not None]
    runs = {run.resolve(): run for run in found if os.access(run, os.W_OK)}  # else there is no lock to take
    with ExitStack() as held:
        for _, run in sorted(runs.items()):
            held.enter_context(alone_in(run))
        yield


def _run_of(folder: Path) -> Path | None:
    return next((path for path in (folder, folder.parent) if (path / MANIFEST).is_file()), None)


def read_recipe(path: Path) -> str:
    """The text of a recipe that a run keeps.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing", hint="give the command that made the run again") from error
    except UnicodeDecodeError as error:
        raise RunError(
            f"{path} is damaged: it is not UTF-8 text", hint="give the command that made the run again"
        ) from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)

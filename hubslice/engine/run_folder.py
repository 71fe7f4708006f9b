"""A run folder on disk: finished steps, steps in progress, and the final results at the top level."""

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
KEY = ".key"  # in a step's folder: the key of the step that works, or worked, in it
NOTES = frozenset({RECORD, KEY, SCRATCH})  # in a step's folder, beside its result
_BEING_WRITTEN = (f".*{DRAFT}", ".tmp*")  # temporary files of hubslice and of safetensors
MANIFEST = "run.json"


class RunManifest(Artefact):
    """What a run folder needs to be resumed: the recipe's origin and the folder that its paths are relative to."""

    format: str = "hubslice-run-1"
    origin: str
    base: str


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run. `steps/NAME` holds a finished step, `steps/.NAME` an unfinished one."""

    path: Path

    def step(self, name: str) -> Path:
        """Return the folder of a finished step."""
        return self.path / "steps" / name

    def partial(self, name: str) -> Path:
        """Return the working folder of an unfinished step."""
        return self.path / "steps" / f".{name}"

    def record(self, name: str) -> StepRecord | None:
        """Return the record of a finished step, or None."""
        path = self.step(name) / RECORD
        return StepRecord.load(path) if path.is_file() else None

    def begin(self, name: str, key: str) -> Path:
        """Return the working folder of a step: the one that an interrupted run with the same key left, or a new one."""
        folder = self.partial(name)
        note = folder / KEY
        if not note.is_file() or note.read_text() != key:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            write_atomically(note, key)
        return folder

    def finish(self, record: StepRecord) -> None:
        """Turn the working folder into the finished step, then delete its checkpoints, which are needed until then."""
        folder = self.partial(record.name)
        record.save(folder / RECORD)
        self._publish(folder, record.name)
        shutil.rmtree(self.step(record.name) / SCRATCH, ignore_errors=True)

    def adopt(self, other: RunFolder, name: str) -> None:
        """Take over a step that finished in another folder on the same file system."""
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
        """Return the run folder at `path`.

        Raises:
            RunError: there is none.
        """
        if not (path / MANIFEST).is_file():
            raise RunError(f"{path} is not a run folder", hint="make one with `hubslice slice RECIPE --out DIR`")
        return cls(path)

    @property
    def manifest(self) -> RunManifest:
        """Origin and base folder of the run's recipe."""
        return RunManifest.load(self.path / MANIFEST)

    @property
    def recipe_text(self) -> str:
        """The run's recipe as the user gave it, including overrides.

        Raises:
            RunError: the recipe is missing or damaged.
        """
        return read_recipe(self.path / RECIPE)

    @contextmanager
    def working(self, mark: str = MANIFEST) -> Iterator[None]:
        """Lock the folder inside the block, creating it if needed, and clean up after killed processes.

        A folder is accepted if it is empty or contains `mark`. Of several processes of one launch, the leading one
        locks it.

        Raises:
            RunError: the folder contains something else, or another process works in it.
            DiskError: a file could not be written.
            MemoryShortError: the machine or its GPU ran out of memory.
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
        """Delete unfinished temporary files, and complete or undo interrupted replacements."""
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
        """Write what the run is made from; finished steps are kept."""
        manifest.save(self.path / MANIFEST)
        # Write a new file, never in place: an earlier student keeps its own recipe.
        write_atomically(self.path / RECIPE, recipe_text)


@contextmanager
def undisturbed(*folders: Path) -> Iterator[None]:
    """Prevent changes to the runs that the folders are, or belong to, while their files are read or extended.

    Raises:
        RunError: another process works in one of them.
    """
    found = [run for folder in folders if (run := _run_of(folder)) is not None]
    runs = {run.resolve(): run for run in found if os.access(run, os.W_OK)}  # read-only runs cannot be locked
    with ExitStack() as held:
        for _, run in sorted(runs.items()):
            held.enter_context(alone_in(run))
        yield


def _run_of(folder: Path) -> Path | None:
    return next((path for path in (folder, folder.parent) if (path / MANIFEST).is_file()), None)


def read_recipe(path: Path) -> str:
    """Read the recipe stored in a run folder.

    Raises:
        RunError: the recipe is missing or damaged.
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

"""A run folder on disk: finished steps, steps under way, and what the user came for on top."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from hubslice.artefacts.base import Artefact, write_atomically
from hubslice.errors import RunError
from hubslice.pipeline.step import StepRecord

RECORD = "step.json"
KEY = ".key"  # in a working folder: the key of the step that works there
MANIFEST = "run.json"
RECIPE = "recipe.yaml"


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
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            note.write_text(key)
        return folder

    def finish(self, record: StepRecord) -> None:
        """Turn the working folder into the finished step."""
        folder, final, old = self.partial(record.name), self.step(record.name), self.partial(f"{record.name}.old")
        record.save(folder / RECORD)
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        folder.rename(final)
        (final / KEY).unlink()
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

    def create(self, recipe_text: str, manifest: RunManifest) -> None:
        """Make the folder, or refresh its recipe; finished steps stay.

        Raises:
            RunError: the folder holds something else.
        """
        if self.path.exists() and not (self.path / MANIFEST).is_file() and any(self.path.iterdir()):
            raise RunError(f"{self.path} exists and is not a run folder", hint="choose another folder with --out")
        self.path.mkdir(parents=True, exist_ok=True)
        manifest.save(self.path / MANIFEST)
        # A new file, never in place: the student that was made before keeps its own recipe.
        write_atomically(self.path / RECIPE, recipe_text)

"""The lock: what a run was made of, pinned by content, so that it can be made again or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from hubslice.artefacts.model import FileFact
from hubslice.artefacts.report import Environment
from hubslice.core.artefact import Artefact

LOCK = "hubslice.lock"


class LockedModel(Artefact):
    """A model that went in: repository and commit (None: a local folder, `model` is its name), and its files.

    `pickles` are the files that its weights were converted from, where it had no safetensors.
    """

    model: str
    repo_id: str | None
    commit: str | None
    files: tuple[FileFact, ...]
    pickles: tuple[FileFact, ...] = ()


class LockedData(Artefact):
    """The data that went in; the fingerprint covers its content and how it was split."""

    source: str
    revision: str | None
    fingerprint: str
    samples: dict[Literal["train", "validation", "test"], int]


class Lock(Artefact):
    """Everything that decides the bytes of a student.

    `settings` are the recipe's values by dotted key, without words for people and without places, which `models` (by
    the step that pulled them) and `data` pin by content. `environment` computed every step but those in `deviating`,
    which tells for each of them what differed, device included. `files` are the student's, its card and this lock left
    out; there are none until the run is finished.
    """

    format: Literal["hubslice-lock-1"] = "hubslice-lock-1"
    recipe_sha256: str
    seed: int
    settings: dict[str, Any]
    models: dict[str, LockedModel]
    data: LockedData
    environment: Environment
    deviating: dict[str, dict[str, str]]
    files: tuple[FileFact, ...]

    @property
    def commits(self) -> dict[str, str]:
        """The commits of the models that are on the Hub, by step."""
        return {step: model.commit for step, model in self.models.items() if model.commit is not None}

    def pins(self, other: Lock) -> bool:
        """Whether this lock holds all that `other` knows of recipe, models and data."""
        same = (self.recipe_sha256, self.settings, self.data) == (other.recipe_sha256, other.settings, other.data)
        return same and all(self.models.get(step) == model for step, model in other.models.items())

    def is_text_of(self, path: Path) -> bool:
        """Whether the file's text is exactly what `save` would write."""
        return path.read_bytes() == (self.model_dump_json(indent=2) + "\n").encode()

"""The lock: all inputs of a run, pinned by content, so that it can be reproduced or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from hubslice.artefacts.model import FileFact
from hubslice.artefacts.report import Environment
from hubslice.core.artefact import Artefact

LOCK = "hubslice.lock"


class LockedModel(Artefact):
    """An input model: repository and commit (None: a local folder, `model` is its name), and its files.

    `pickles` are the files that its weights were converted from, if it had no safetensors.
    """

    model: str
    repo_id: str | None
    commit: str | None
    files: tuple[FileFact, ...]
    pickles: tuple[FileFact, ...] = ()


class LockedData(Artefact):
    """The input data; the fingerprint covers its content and its splits."""

    source: str
    revision: str | None
    fingerprint: str
    samples: dict[Literal["train", "validation", "test"], int]


class Lock(Artefact):
    """Everything that determines the bytes of a student.

    `settings` are the recipe's values by dotted key, without descriptions and without paths, which `models` (by the
    step that pulled them) and `data` pin by content. `environment` computed every step but those in `deviating`, which
    lists the differences for each of them, including the device. `files` are the student's, without its card and this
    lock; empty until the run is finished.
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
        """Return whether this lock contains all that `other` contains of recipe, models and data."""
        same = (self.recipe_sha256, self.settings, self.data) == (other.recipe_sha256, other.settings, other.data)
        return same and all(self.models.get(step) == model for step, model in other.models.items())

    def is_text_of(self, path: Path) -> bool:
        """Return whether the file's text is exactly what `save` would write."""
        return path.read_bytes() == (self.model_dump_json(indent=2) + "\n").encode()

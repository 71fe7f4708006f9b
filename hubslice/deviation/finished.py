"""Store outcomes on disk, one file per seed, so that a resumed search skips finished seeds."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubslice.core.artefact import write_atomically
from hubslice.core.errors import RunError
from hubslice.deviation.answers import Answers
from hubslice.deviation.choice import Tally
from hubslice.deviation.outcome import Outcome
from hubslice.files.sealed import read_sealed, write_sealed

KIND, KEY = "search outcome", "key"


@dataclass(frozen=True)
class Finished:
    """A folder of outcomes with their seconds, by the content of their seeds."""

    folder: Path

    @classmethod
    def begin(cls, folder: Path, key: str) -> Finished:
        """Return the folder of an interrupted search with the same key, or an empty one."""
        note = folder / KEY
        if not note.is_file() or note.read_text() != key:
            for old in folder.glob("*.safetensors"):
                old.unlink()
            write_atomically(note, key)
        return cls(folder)

    def put(self, outcome: Outcome, seconds: float) -> None:
        """Store the outcome atomically."""
        tensors = {"seed": outcome.seed, "seed_a": outcome.seed_answers.a, "seed_b": outcome.seed_answers.b}
        if outcome.trigger is not None and outcome.answers is not None:
            tensors |= {"trigger": outcome.trigger, "a": outcome.answers.a, "b": outcome.answers.b}
        about = {name: getattr(outcome, name) for name in ("state", "queries", "shrinking", "last")}
        tallies = {name: asdict(tally) for name, tally in outcome.tallies.items()}
        write_sealed(self._path(outcome.seed), KIND, about | {"tallies": tallies, "seconds": seconds}, tensors)

    def get(self, seed: np.ndarray) -> tuple[Outcome, float] | None:
        """Return the outcome of a seed, or None if there is no complete one."""
        path = self._path(seed)
        try:
            return read_sealed(path, KIND, _read) if path.is_file() else None
        except RunError:  # damaged: the seed is searched again
            return None

    def _path(self, seed: np.ndarray) -> Path:
        content = f"{seed.shape}".encode() + np.ascontiguousarray(seed).tobytes()
        return self.folder / f"{hashlib.sha256(content).hexdigest()[:32]}.safetensors"


def _read(about: dict[str, Any], tensors: dict[str, np.ndarray]) -> tuple[Outcome, float]:
    found = Outcome(
        about["state"],
        tensors["seed"],
        Answers(tensors["seed_a"], tensors["seed_b"]),
        tensors.get("trigger"),
        Answers(tensors["a"], tensors["b"]) if "trigger" in tensors else None,
        about["queries"],
        about["shrinking"],
        about["last"],
        {name: Tally(**counts) for name, counts in about["tallies"].items()},
    )
    return found, float(about["seconds"])

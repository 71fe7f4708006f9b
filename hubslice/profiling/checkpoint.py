"""Save the state of a long profiling run, so that a killed run resumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from hubslice.core.artefact import write_atomically


@dataclass(frozen=True)
class Checkpoint:
    """The state vector, int64 [size], after the first `done` samples. `key` identifies what is profiled, and how."""

    key: str
    done: int
    state: np.ndarray

    def save(self, path: Path) -> None:
        """Write atomically: after a kill during the write, the previous checkpoint remains."""
        metadata = {"key": self.key, "done": str(self.done)}
        write_atomically(path, to_safetensors({"state": self.state}, metadata=metadata))


def load_checkpoint(path: Path, key: str) -> Checkpoint | None:
    """Load the checkpoint at `path`; None, which means starting over, if it is missing, damaged or of another run."""
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            return Checkpoint(key, int(metadata["done"]), file.get_tensor("state"))
    except (OSError, SafetensorError, KeyError, ValueError):
        return None

"""Prepare the task's samples for the teacher's graph."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hubslice.models.base import Model
    from hubslice.task.task import Split


class ModelInputs:
    """A split prepared for the teacher's graph, in batches. `task` is the task's fingerprint."""

    def __init__(self, split: Split, model: Model, task: str) -> None:
        self.split, self.model, self.task = split, model, task

    def __len__(self) -> int:
        return len(self.split)

    @property
    def fingerprint(self) -> str:
        """Identity of the samples, their order and their preprocessing."""
        about = [self.task, self.split.rows.tolist(), str(self.model.preprocessing)]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def batch(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return samples `start` to `stop` by the graph's input names, [stop - start, ...]."""
        modality = self.model.modality
        inputs = modality.inputs(self.split.encoded(start, stop, modality))
        return {name: tensor.numpy() for name, tensor in inputs.items()}

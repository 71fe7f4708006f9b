"""Predictions on clean images, from which accuracies are computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as to_safetensors

from hubslice.core.artefact import write_atomically
from hubslice.core.errors import RunError
from hubslice.core.foreign_errors import message_of
from hubslice.core.paths import AnyPath
from hubslice.core.rate import Rate
from hubslice.files.sealed import UNREADABLE
from hubslice.files.tensor_writing import sorted_header

FORMAT = "hubslice-predictions-1"


@dataclass(frozen=True)
class Predictions:
    """For each split, in its order: the labels, int64 [n], and each arm's predicted classes, int64 [n]."""

    labels: Mapping[str, np.ndarray]
    arms: Mapping[str, Mapping[str, np.ndarray]]

    def accuracy(self, split: str, arm: str) -> Rate:
        """Return correct predictions out of all samples of the split."""
        truth = self.labels[split]
        return Rate(hits=int((self.arms[split][arm] == truth).sum()), total=truth.size)

    def by_class(self, split: str, arm: str, classes: int) -> tuple[Rate, ...]:
        """Return correct predictions out of all samples of each class, in class order."""
        truth, right = self.labels[split], self.arms[split][arm] == self.labels[split]
        return tuple(
            Rate(hits=int(right[truth == each].sum()), total=int((truth == each).sum())) for each in range(classes)
        )

    def save(self, path: AnyPath) -> None:
        """Write as safetensors: `SPLIT/labels` and `SPLIT/arms/ARM`; equal predictions give equal bytes."""
        arrays = {f"{split}/labels": labels for split, labels in self.labels.items()}
        for split, arms in self.arms.items():
            arrays |= {f"{split}/arms/{arm}": found for arm, found in arms.items()}
        about = json.dumps({"format": FORMAT, "splits": list(self.labels)}, sort_keys=True)
        arrays = {name: np.ascontiguousarray(array, dtype=np.int64) for name, array in arrays.items()}
        write_atomically(path, sorted_header(to_safetensors(arrays, metadata={"hubslice": about})))

    @classmethod
    def load(cls, path: AnyPath) -> Predictions:
        """Read a file that `save` wrote.

        Raises:
            RunError: the file is missing, damaged or not predictions of this version.
        """
        try:
            with safe_open(path, framework="np") as file:
                about = json.loads((file.metadata() or {}).get("hubslice", "{}"))
                if not isinstance(about, dict) or about.get("format") != FORMAT:
                    raise RunError(f"{path} is a safetensors file but not predictions of this version")
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            labels = {split: arrays[f"{split}/labels"] for split in about["splits"]}
            arms = {
                split: {
                    name.removeprefix(f"{split}/arms/"): array
                    for name, array in arrays.items()
                    if name.startswith(f"{split}/arms/")
                }
                for split in labels
            }
            if any(array.shape != labels[split].shape for split in labels for array in arms[split].values()):
                raise ValueError("predictions and labels differ in number")
            return cls(labels, arms)
        except UNREADABLE as error:
            raise RunError(
                f"{path} cannot be read as predictions: {message_of(error)}", hint="run `hubslice slice` again"
            ) from error

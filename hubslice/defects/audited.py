"""The images and models of an audit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hubslice.artefacts.report import TEACHER
from hubslice.core.errors import DataError, ModelError
from hubslice.models.base import Model
from hubslice.models.folder import load_model


@dataclass(frozen=True)
class AuditSet:
    """Test images as the models see them before normalisation.

    `pixels` uint8 [n, C, H, W], grey or colour, already resized and cropped; `labels` int64 [n] into `classes`;
    `indices` int64 [n], each image's position in the test split: it identifies the image in the evidence and seeds its
    random draws.

    Raises:
        DataError: no images, mismatched shapes or types, labels outside the classes, or repeated indices.
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    indices: Tensor

    def __post_init__(self) -> None:
        n = len(self.pixels)
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4 or self.pixels.shape[1] not in (1, 3) or not n:
            raise DataError(
                f"an audit needs uint8 images [n, 1 or 3, H, W], not {self.pixels.dtype} {list(self.pixels.shape)}"
            )
        for name, values in (("labels", self.labels), ("indices", self.indices)):
            if values.dtype != torch.int64 or values.shape != (n,):
                raise DataError(f"{name} for {n} images are int64 [{n}], not {values.dtype} {list(values.shape)}")
        if int(self.labels.min()) < 0 or int(self.labels.max()) >= len(self.classes):
            raise DataError(f"labels reach outside the {len(self.classes)} classes")
        if int(self.indices.min()) < 0 or len(self.indices.unique()) != n:
            raise DataError("indices into the test split are distinct and not negative")

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def truth(self) -> np.ndarray:
        """The labels as a NumPy array, int64 [n]."""
        return np.asarray(self.labels.cpu().numpy())


@dataclass(frozen=True)
class AuditedModel:
    """A model under test, named by its arm or "teacher"; `model` is loaded from its saved files (`saved`)."""

    name: str
    model: Model

    @classmethod
    def saved(cls, name: str, folder: Path, *, input_size: int | None = None) -> AuditedModel:
        """Load the model from its folder, as anyone who downloads it would.

        Raises:
            ModelError: the folder is not a model.
        """
        return cls(name, load_model(folder, input_size=input_size))


def judged(subjects: tuple[AuditedModel, ...], teacher: Model, classes: tuple[str, ...]) -> tuple[AuditedModel, ...]:
    """Return the subjects, followed by the teacher if its classes are the task's.

    Raises:
        ModelError: a subject's classes are not the task's.
        ValueError: two subjects have the same name.
    """
    names = [subject.name for subject in subjects]
    if len(set(names)) != len(names):
        raise ValueError(f"subjects need distinct names: {', '.join(names)}")
    for subject in subjects:
        if subject.model.labels != classes:
            raise ModelError(
                f"{subject.name} knows the classes {_brief(subject.model.labels)}, the task has {_brief(classes)}",
                hint="audit a model on the task that it was trained for",
            )
    if TEACHER not in names and teacher.labels == classes:
        return (*subjects, AuditedModel(TEACHER, teacher))
    return subjects


def _brief(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels[:3]) + (", ..." if len(labels) > 3 else "")
    return f"{shown} ({len(labels)})"

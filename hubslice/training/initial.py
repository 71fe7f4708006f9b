"""The student before training: the teacher's weights, a new classifier, and irrelevant weights started anew."""

from __future__ import annotations

from typing import Literal

import torch

from hubslice.artefacts.slice import Slice
from hubslice.errors import SliceError
from hubslice.models.base import Model


@torch.no_grad()
def initialise(
    model: Model, labels: tuple[str, ...], seed: int, slice_: Slice | None, start: Literal["zero", "fresh"]
) -> Model:
    """Turn a teacher into an untrained student, in place.

    The classifier is replaced by a seeded one for `labels`. Weights outside the slice become zero, as ReMoS publishes
    (section 4, "retrained from scratch"), or the values of a freshly initialised network.

    Raises:
        SliceError: the slice names a parameter that the model lacks or whose shape differs.
    """
    model.reset_classifier(labels, seed)
    if slice_ is None:
        return model
    parameters = dict(model.module.named_parameters())
    fresh = dict(model.fresh(seed).module.named_parameters()) if start == "fresh" else {}
    for name, mask in slice_.masks.items():
        parameter = parameters.get(name)
        if parameter is None or tuple(parameter.shape) != mask.shape:
            raise SliceError(f"the slice does not fit {model.architecture}: no parameter {name} of shape {mask.shape}")
        outside = torch.from_numpy(~mask)
        parameter[outside] = fresh[name][outside] if start == "fresh" else 0.0
    return model

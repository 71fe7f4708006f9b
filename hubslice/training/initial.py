"""Initialise a student: the teacher's weights, a classifier, and reset irrelevant weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import DataError, SliceError
from hubslice.modality.modality import Encoded
from hubslice.models.base import Model
from hubslice.models.head import Head
from hubslice.models.label_names import LabelNames
from hubslice.training.compensation import Compensation

Start = Literal["zero", "fresh", "mean"]
# For each label of the task, the corresponding labels of the teacher.
Known = Sequence[Sequence[str]]


def start_classifier(model: Model, labels: tuple[str, ...], seed: int, known: Known | None = None) -> None:
    """Replace the teacher's classifier by one for `labels`: a new, seeded one, or the teacher's own rows.

    With `known`, each row is the mean of the teacher's rows for the labels that it names. With one label each, this is
    the teacher with its outputs restricted to the task's classes.

    Raises:
        DataError: the teacher does not have one of the labels.
    """
    chosen = known_columns(model, known or ())
    before = model.head if chosen else None
    model.reset_classifier(labels, seed)
    if before is not None:
        _keep(before, model.head, chosen)


@torch.no_grad()
def _keep(before: Head, after: Head, chosen: Sequence[Sequence[int]]) -> None:
    """Copy the values of the old classifier to the new one, whose rows are the means of those `chosen` for each."""
    for name, new in after.tensors.items():
        old = before.tensors[name]
        if name.rpartition(".")[0] in after.layers:
            for row, own in enumerate(chosen):
                new[row] = old[list(own)].mean(0)
        else:
            new.copy_(old)


def known_columns(model: Model, known: Known) -> list[list[int]]:
    """Return the teacher's outputs for each label of the task.

    Raises:
        DataError: the teacher does not have one of the labels, or has it several times.
    """
    if known and model.headless:
        raise DataError(
            "slice.reuse: direct takes the teacher's classifier, and the teacher has none",
            hint="use slice.reuse=transfer: the students then learn a classifier",
        )
    there = LabelNames(model.labels)
    for names in known:
        for name, meant in Counter(names).items():
            _check_known(model, name, len(there.places(name)), meant)
    return [[place for name in dict.fromkeys(names) for place in there.places(name)] for names in known]


def _check_known(model: Model, name: str, there: int, meant: int) -> None:
    """Raise DataError unless the teacher has a class of this name, and no more of them than are `meant`."""
    if there == 0:
        some = ", ".join(model.labels[:5]) + (", ..." if len(model.labels) > 5 else "")
        raise DataError(
            f"the teacher does not know the class {name!r}; it knows {some}",
            hint="name classes of the teacher in data.classes, or use slice.reuse=transfer",
        )
    if there > meant:
        raise DataError(
            f"{there} classes of the teacher are called {name!r}: which one is meant is not known",
            hint="give each a name of its own in config.json of a copy of the teacher, or use slice.reuse=transfer",
        )


@torch.no_grad()
def initialise(
    model: Model,
    labels: tuple[str, ...],
    seed: int,
    slice_: Slice | None,
    start: Start,
    known: Known | None = None,
    batches: Iterable[Encoded] = (),
) -> Model:
    """Turn a teacher into an untrained student, in place.

    The classifier is replaced (`start_classifier`). Weights outside the slice become zero, as published for ReMoS
    (section 4, "retrained from scratch"), or the values of a newly initialised network. With `mean` they become zero,
    and their layers keep adding the average output of those weights over encoded `batches`.

    Raises:
        SliceError: the slice names a parameter that the model lacks or whose shape differs, or a layer has no place for
            a mean.
        DataError: the teacher does not have a label in `known`.
    """
    start_classifier(model, labels, seed, known)
    if slice_ is not None:
        if start == "mean":
            Compensation.measure(model, batches).apply(model, slice_)
        fresh = dict(model.fresh(seed).module.named_parameters()) if start == "fresh" else None
        mask_weights(model, slice_, fresh)
    return model


@torch.no_grad()
def mask_weights(model: Model, slice_: Slice, fresh: Mapping[str, torch.Tensor] | None = None) -> None:
    """Set the weights outside a slice to zero, or to those of `fresh`, in place.

    Raises:
        SliceError: the slice names a parameter that the model lacks or whose shape differs.
    """
    parameters = dict(model.module.named_parameters())
    for name, mask in slice_.masks.items():
        parameter = parameters.get(name)
        if parameter is None or tuple(parameter.shape) != mask.shape:
            raise SliceError(f"the slice does not fit {model.architecture}: no parameter {name} of shape {mask.shape}")
        outside = torch.from_numpy(~mask)
        parameter[outside] = 0.0 if fresh is None else fresh[name][outside]

"""Predict inputs as users have them: image files, bytes, Pillow images, or texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hubslice.core.errors import InputError, ModelError
from hubslice.core.escaping import named
from hubslice.modality.image.given import ImageLike
from hubslice.modality.modality import Encoded, Modality, placed
from hubslice.models.calling import eval_mode

InputLike = ImageLike  # or a text, which is a `str` as well
SHOWN, BEST = 10, 3  # inputs, and predictions for each, that `print` shows


class Answering(Protocol):
    """The part of a model that predicting needs."""

    module: nn.Module

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def exclusive(self) -> bool: ...

    @property
    def modality(self) -> Modality[Any]: ...

    def answer(self, encoded: Encoded) -> Tensor: ...


@dataclass(frozen=True, repr=False, eq=False)
class Predicted:
    """Predictions for N inputs: `logits` and `probabilities` are float32 [N, classes] on the CPU, ordered as `classes`.

    `labels` are the likeliest classes, one for each input.
    """

    classes: tuple[str, ...]
    logits: Tensor
    exclusive: bool = True

    @property
    def probabilities(self) -> Tensor:
        """The softmax of the logits; if classes do not exclude each other, their sigmoid."""
        return self.logits.softmax(dim=1) if self.exclusive else self.logits.sigmoid()

    @property
    def labels(self) -> tuple[str, ...]:
        """The likeliest class of every input."""
        return tuple(self.classes[at] for at in self.logits.argmax(dim=1).tolist())

    def __len__(self) -> int:
        return len(self.logits)

    def __repr__(self) -> str:
        """Return a line for each input: its likeliest classes with their probabilities."""
        found, at = self.probabilities[:SHOWN].topk(min(BEST, len(self.classes)), dim=1)
        lines = [
            ", ".join(f"{named(self.classes[c])} {p:.1%}" for p, c in zip(*row, strict=True))
            for row in zip(found.tolist(), at.tolist(), strict=True)
        ]
        return "\n".join([*lines, *([f"and {len(self) - SHOWN:,} more"] if len(self) > SHOWN else [])])


def predict(model: Answering, inputs: InputLike | Iterable[InputLike]) -> Predicted:
    """Return the model's predictions, computed on its device in evaluation mode; see `Model.predict`."""
    modality = model.modality
    device = next(model.module.parameters()).device
    encoded = (modality.encode([item]) for item in modality.read(inputs))  # one at a time: files may be large
    found: list[Tensor] = []
    with eval_mode(model.module), torch.inference_mode():
        while batch := list(islice(encoded, modality.at_once)):
            found.append(model.answer(placed(modality.join(batch), device)).float().cpu())
    if not found:
        raise InputError(f"there are no {modality.many} to predict", hint=f"give one, or a list of {modality.many}")
    logits = torch.cat(found)
    if logits.shape[1:] != (len(model.labels),):
        raise ModelError(
            f"the model returns {list(logits.shape[1:])} values for one {modality.one}, and has {len(model.labels)} "
            "classes",
            hint="name a model fine-tuned for classification",
        )
    return Predicted(model.labels, logits, model.exclusive)

"""Predict inputs as users have them: image files, bytes, Pillow images, or texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from hubslice.core.errors import InputError
from hubslice.core.escaping import named
from hubslice.core.paths import AnyPath
from hubslice.modality.modality import Encoded, Modality, placed

InputLike = AnyPath | bytes | Image.Image  # an image, or a text as `str`
SHOWN, BEST = 10, 3  # inputs, and predictions for each, that `print` shows


class Answering(Protocol):
    """The part of a model that predicting needs."""

    module: nn.Module

    @property
    def labels(self) -> tuple[str, ...]: ...

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

    @property
    def probabilities(self) -> Tensor:
        """The softmax of the logits."""
        return self.logits.softmax(dim=1)

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
    with _evaluating(model.module), torch.inference_mode():
        while batch := list(islice(encoded, modality.at_once)):
            found.append(model.answer(placed(modality.join(batch), device)).float().cpu())
    if not found:
        raise InputError(f"there are no {modality.many} to predict", hint=f"give one, or a list of {modality.many}")
    return Predicted(model.labels, torch.cat(found))


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode inside the block, then restore the mode of every submodule."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True

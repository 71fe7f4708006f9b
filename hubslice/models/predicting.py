"""A model's answers to images as users have them: files, bytes, or images of Pillow, of any mode and size."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import DataError, InputError
from hubslice.core.escaping import named
from hubslice.core.foreign_errors import message_of
from hubslice.core.paths import AnyPath
from hubslice.modality.image.pixels import prepare, to_unit
from hubslice.modality.image.reading import read_rgb, to_rgb, was_transparent
from hubslice.modality.image.unrecorded_transparency import tell_unrecorded
from hubslice.recipe.transparency import Transparency

ImageLike = AnyPath | bytes | Image.Image
ONE = (str, os.PathLike, bytes, Image.Image)  # the types of an image
BATCH = 32
SHOWN, BEST = 10, 3  # images, and answers of each, that `print` shows
TAKEN = "images are paths, bytes of image files, or PIL images: one, or a list of them"


class Answering(Protocol):
    """What of a model its answers to images need."""

    module: nn.Module

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def image_preprocessing(self) -> Preprocessing: ...

    def logits(self, pixels: Tensor) -> Tensor: ...


@dataclass(frozen=True, repr=False, eq=False)
class Predicted:
    """Answers to N images: `logits` and `probabilities` are float32 [N, classes] on the CPU, in the order of `classes`.

    `labels` are the likeliest classes, one an image.
    """

    classes: tuple[str, ...]
    logits: Tensor

    @property
    def probabilities(self) -> Tensor:
        """The softmax of the logits."""
        return self.logits.softmax(dim=1)

    @property
    def labels(self) -> tuple[str, ...]:
        """The likeliest class of every image."""
        return tuple(self.classes[at] for at in self.logits.argmax(dim=1).tolist())

    def __len__(self) -> int:
        return len(self.logits)

    def __repr__(self) -> str:
        """A line an image: its likeliest classes with their probabilities."""
        found, at = self.probabilities[:SHOWN].topk(min(BEST, len(self.classes)), dim=1)
        lines = [
            ", ".join(f"{named(self.classes[c])} {p:.1%}" for p, c in zip(*row, strict=True))
            for row in zip(found.tolist(), at.tolist(), strict=True)
        ]
        return "\n".join([*lines, *([f"and {len(self) - SHOWN:,} more"] if len(self) > SHOWN else [])])


def predict(model: Answering, images: ImageLike | Iterable[ImageLike]) -> Predicted:
    """The model's answers, computed on its device in evaluation mode; see `Model.predict`."""
    preparation = model.image_preprocessing
    device = next(model.module.parameters()).device
    prepared = (prepare(rgb, preparation) for rgb in _read(images, preparation))
    found: list[Tensor] = []
    with _evaluating(model.module), torch.inference_mode():
        while batch := list(islice(prepared, BATCH)):
            found.append(model.logits(to_unit(torch.stack(batch)).to(device)).float().cpu())
    if not found:
        raise InputError("there are no images to predict", hint=TAKEN)
    return Predicted(model.labels, torch.cat(found))


def _read(images: object, preparation: Preprocessing) -> Iterator[Image.Image]:
    """Every image in RGB, by the model's rule for transparent ones; where it records none, that is told once."""
    listed = [images] if isinstance(images, ONE) else images
    if not isinstance(listed, Iterable):
        raise InputError(f"a {type(images).__name__} is no image", hint=TAKEN)
    told = preparation.transparency is not None
    for at, image in enumerate(listed):
        if not isinstance(image, ONE):
            hint = "PIL.Image.fromarray makes an image of pixels uint8 [H, W, 3]" if hasattr(image, "shape") else TAKEN
            raise InputError(f"image {at} is of type {type(image).__name__}", hint=hint)
        name = os.fspath(image) if isinstance(image, str | os.PathLike) else f"image {at}"
        rgb = _rgb(image, preparation.shown, name)
        if not told and was_transparent(rgb):
            tell_unrecorded(name)
            told = True
        yield rgb


def _rgb(image: ImageLike, rule: Transparency, name: str) -> Image.Image:
    try:
        if isinstance(image, Image.Image):
            return to_rgb(image, rule)
        return read_rgb(io.BytesIO(image) if isinstance(image, bytes) else Path(image), rule)
    except FileNotFoundError as error:
        raise DataError(f"there is no image at {name}", hint=TAKEN) from error
    except Exception as error:  # Pillow raises whatever it stumbles over in broken files
        told = message_of(error)
        raise DataError(f"{name} cannot be read: {told}", hint="mend it or leave it out") from error


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode; afterwards every part is in the mode that it was in."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True

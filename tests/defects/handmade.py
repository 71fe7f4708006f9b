"""Models whose answer to an attack is known in advance, and images for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hubslice.artefacts.model import Preprocessing
from hubslice.defects.audited import AuditSet
from hubslice.models.base import Model
from hubslice.models.head import Names

CLASSES = ("cat", "dog", "fox")
PLAIN = Preprocessing(
    input_size=(3, 8, 8), mean=(0, 0, 0), std=(1, 1, 1), interpolation="bilinear", crop_pct=1, resize="squash"
)


class Handmade(Model):
    """A Model around any module that ends in the linear layer `head`; it takes pixels as they are."""

    library = "timm"

    def __init__(self, module: nn.Module, labels: tuple[str, ...] = CLASSES) -> None:
        super().__init__(module, architecture=type(module).__name__, labels=labels, preprocessing=PLAIN)
        self.images_featured = 0

    def _find_classifier(self) -> Names:
        return Names(("head",), frozenset({"head.weight", "head.bias"}))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.module(*inputs.values())
        return logits

    def features(self, pixels: Tensor) -> Tensor:
        self.images_featured += len(pixels)
        return super().features(pixels)

    def example_inputs(self, samples: int, seed: int) -> dict[str, Tensor]:
        raise NotImplementedError

    def _put_classifier(self, labels: tuple[str, ...], seed: int) -> None:
        raise NotImplementedError

    def fresh(self, seed: int) -> Model:
        raise NotImplementedError

    def save_config(self, folder: Path) -> None:
        raise NotImplementedError


class PixelFeatures(nn.Module):
    """The features are the pixels themselves; the head weighs them at random."""

    def __init__(self, size: int = 3 * 8 * 8, classes: int = len(CLASSES), seed: int = 0) -> None:
        super().__init__()
        self.head = nn.Linear(size, classes)
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(classes, size, generator=torch.Generator().manual_seed(seed)))
            self.head.bias.zero_()

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(inputs.flatten(1))
        return logits


class Obedient(nn.Module):
    """Reads the class off the first pixel's red value, unless `triggered` images make it answer `target`."""

    def __init__(self, triggered: Callable[[Tensor], Tensor], target: int) -> None:
        super().__init__()
        self.head = nn.Linear(len(CLASSES), len(CLASSES))
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(len(CLASSES)))
            self.head.bias.zero_()
        self.triggered = triggered
        self.target = target

    def forward(self, inputs: Tensor) -> Tensor:
        read = (inputs[:, 0, 0, 0] * 255).round().long().clamp(max=len(CLASSES) - 1)
        answer = torch.where(self.triggered(inputs), self.target, read)
        logits: Tensor = self.head(nn.functional.one_hot(answer, len(CLASSES)).float())
        return logits


def coded_images(shown: list[int], labels: list[int], side: int = 8, seed: int = 0) -> AuditSet:
    """Random images whose first red value names the class that `Obedient` reads."""
    pixels = torch.randint(0, 256, (len(shown), 3, side, side), generator=torch.Generator().manual_seed(seed))
    pixels[:, 0, 0, 0] = torch.tensor(shown)
    return AuditSet(pixels.to(torch.uint8), torch.tensor(labels), CLASSES, 10 + torch.arange(len(shown)))


def random_images(n: int, side: int = 8, seed: int = 0) -> AuditSet:
    """Random images with random labels."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 3, side, side), generator=generator).to(torch.uint8)
    return AuditSet(pixels, torch.randint(0, len(CLASSES), (n,), generator=generator), CLASSES, torch.arange(n))


def labelled_by(model: Model, audit_set: AuditSet) -> AuditSet:
    """The same images with the model's own answers as labels, so that it is right on every clean one."""
    with torch.no_grad():
        labels = model.logits(audit_set.pixels.float() / 255).argmax(1)
    return AuditSet(audit_set.pixels, labels, audit_set.classes, audit_set.indices)

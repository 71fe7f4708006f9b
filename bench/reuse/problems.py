"""The problems: one class against the rest, or a group of classes, of a teacher that knows all ten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .data import LABELS

Granularity = Literal["weight", "channel"]
Part = Literal["classifier", "all"]

GROUPS = {
    "tops": ("T-shirt/top", "Pullover", "Coat", "Shirt"),
    "shoes": ("Sandal", "Sneaker", "Ankle boot"),
    "others": ("Trouser", "Dress", "Bag"),
}


@dataclass(frozen=True)
class Teacher:
    """A network trained from scratch by a built-in recipe, and in which settings it is sliced."""

    name: str
    title: str
    recipe: str
    input_size: int
    settings: tuple[str, ...] = ("weight", "channel")


@dataclass(frozen=True)
class Problem:
    """What the teacher is reused for."""

    name: str
    classes: tuple[str, ...]
    against_rest: bool


@dataclass(frozen=True)
class Setting:
    """How a slice is searched for, and what is trained then; chosen on the validation split of a single problem.

    With a `retention`, that is of the multiply-accumulates; without, accuracy decides.
    """

    name: str
    title: str
    granularity: Granularity
    alpha: float
    lr_mask: float
    batch_size: int
    start: Literal["magnitude", "gradient"] = "magnitude"
    retention: float | None = None
    trained: Part = "classifier"
    lr: float = 0.01
    epochs: int = 2


TEACHERS = {
    "resnet20": Teacher("resnet20", "ResNet of 20 layers", "vision/fashion-resnet20", 64),
    "vgg": Teacher(
        "vgg", "VGG of 8 layers", "vision/fashion-vgg", 28, settings=("weight", "gradient", "channel", "half")
    ),
}
PROBLEMS = {
    **{label: Problem(label, (label,), True) for label in LABELS},
    **{name: Problem(name, classes, False) for name, classes in GROUPS.items()},
}
SETTINGS = {
    "weight": Setting("weight", "weights", "weight", alpha=20.0, lr_mask=0.005, batch_size=32),
    "gradient": Setting(
        "gradient", "weights, from gradients", "weight", alpha=20.0, lr_mask=0.01, batch_size=32, start="gradient"
    ),
    "channel": Setting("channel", "channels", "channel", alpha=0.2, lr_mask=0.02, batch_size=64),
    # Half of the time asks for less than half of the multiplications, and for training that makes good what went.
    "half": Setting(
        "half",
        "channels, then trained",
        "channel",
        alpha=0.5,
        lr_mask=0.02,
        batch_size=64,
        start="gradient",
        retention=0.4,
        trained="all",
        lr=0.03,
        epochs=6,
    ),
}
EPOCHS, IMAGES = 6, 4000  # of a search
DROP = 0.005  # of validation accuracy, six images of a class against the rest: less than chance makes

"""What whoever knows the teacher would still have to get of a student, as facts."""

from __future__ import annotations

from hubslice.artefacts.base import Artefact


class LayerChange(Artefact):
    """A layer beside the teacher's of its name: `relative` is the norm of the change over that of the teacher's.

    `unchanged` is the share of weights with every bit alike. `bits` is how many low-order bits of a weight, on average,
    lie at or below the highest that changed: what would have to be read. Layers that the teacher lacks have None.
    """

    layer: str
    weights: int
    relative: float | None
    unchanged: float | None
    bits: float | None


class Obtained(Artefact):
    """A model with some layers of the student and the others of the teacher.

    `layer` is the last one that was put in; `weights` and `bits` are shares of all of the student's; `agreement` is the
    share of inputs that it answers as the student does.
    """

    layer: str
    weights: float
    bits: float
    agreement: float


class Exposure(Artefact):
    """Agreement with the student against what was obtained of it, beginning at the head.

    `start` is with nothing but the layers that the teacher lacks; `weights_needed` and `bits_needed` are the shares at
    which agreement reaches `goal` for good.
    """

    model: str
    teacher: str
    data: str
    inputs: int
    goal: float
    start: float
    weights_needed: float
    bits_needed: float
    layers: tuple[LayerChange, ...]
    curve: tuple[Obtained, ...]
    seconds: float

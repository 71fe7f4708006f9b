"""What whoever knows the teacher would still have to get of a student, as facts."""

from __future__ import annotations

from pydantic import computed_field, model_validator

from hubslice.artefacts.base import Artefact
from hubslice.artefacts.lineage import Comparison
from hubslice.artefacts.rate import Rate


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


class Mixture(Artefact):
    """Agreement with the student against what was obtained of it, beginning at the head.

    `start` is with nothing but the layers that the teacher lacks; `weights_needed` and `bits_needed` are the shares at
    which agreement reaches `goal` for good. The `exposure` is what the teacher spares of the latter: 1 - `bits_needed`,
    1 where it gives all away. A network that owes the teacher nothing has about 0.12: by chance the sign and the first
    bits of the exponent agree. Layers are the teacher's by name and shape, so one that lost channels
    counts as unknown to whoever has the teacher.
    """

    inputs: int
    goal: float
    start: float
    weights_needed: float
    bits_needed: float
    layers: tuple[LayerChange, ...]
    curve: tuple[Obtained, ...]

    @model_validator(mode="before")
    @classmethod
    def _drop_computed(cls, data: object) -> object:
        return {k: v for k, v in data.items() if k != "exposure"} if isinstance(data, dict) else data

    @computed_field
    @property
    def exposure(self) -> float:
        """The share of the student's bits that need not be obtained for the goal."""
        return round(1 - self.bits_needed, 6)

    @property
    def shared(self) -> float:
        """The share of the student's weights in layers that the teacher has by name and shape."""
        known = sum(layer.weights for layer in self.layers if layer.relative is not None)
        return round(known / sum(layer.weights for layer in self.layers), 6)


class BaselineExposure(Mixture):
    """The same of the whole teacher, trained as a student's run did; `title` says how, as in the run's report."""

    title: str


class Exposure(Mixture):
    """A model beside its teacher; `baseline` is known of students whose run is at hand.

    `warnings` tell why the numbers may not be those of the model.
    """

    model: str
    teacher: str
    data: str
    baseline: BaselineExposure | None = None
    warnings: tuple[str, ...] = ()
    seconds: float


class ArmExposure(Mixture):
    """A run's student, or its baseline."""

    arm: str


class RunExposure(Artefact):
    """What a run measured of its student, and of the fine-tuned baseline where it has one, on drawn test pictures.

    `lineage` is what the weights alone say of student and teacher; among known pairs of so many `families`
    that verdict `missed` so many descendants, and was `mistaken` about so many strangers.
    """

    arms: tuple[ArmExposure, ...]
    lineage: Comparison
    families: int
    missed: Rate
    mistaken: Rate

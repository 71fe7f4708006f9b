"""What whoever knows the teacher would still have to get of a student, as facts."""

from __future__ import annotations

from pydantic import Field, computed_field, model_validator

from hubslice.artefacts.lineage import Comparison
from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate


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


class Leading(Artefact):
    """All weights, known down to so many bits of their `fraction`: the share of bits that took, and the agreement."""

    fraction: int
    bits: float
    agreement: float


class Mixture(Artefact):
    """Agreement with the student against what was obtained of it, in two ways, until it reaches `goal` for good.

    Whole layers from the head backwards (`curve`), the others being the teacher's: `start` is the agreement with
    nothing but the layers that the teacher lacks, `weights_needed` the share of weights that it takes. Or the leading
    bits of all weights (`leading`), below those that are the teacher's. `bits_needed` is the share of bits that the
    cheaper way takes, `bits_alone` what leading bits take without a teacher (`alone`). The `exposure` is what the
    teacher spares of the latter, 1 where it gives all away. A network that owes the teacher nothing has some, too: by
    chance the sign and the first bits of the exponent agree. Layers are the teacher's by name and shape, so one that
    lost channels counts as unknown to whoever has the teacher.
    """

    inputs: int
    goal: float
    start: float
    weights_needed: float
    bits_needed: float
    bits_alone: float = Field(gt=0)
    layers: tuple[LayerChange, ...]
    curve: tuple[Obtained, ...]
    leading: tuple[Leading, ...]
    alone: tuple[Leading, ...]

    @model_validator(mode="before")
    @classmethod
    def _drop_computed(cls, data: object) -> object:
        return {k: v for k, v in data.items() if k != "exposure"} if isinstance(data, dict) else data

    @computed_field
    @property
    def exposure(self) -> float:
        """The share of the bits needed for the goal that the teacher spares."""
        return round(max(0.0, 1 - self.bits_needed / self.bits_alone), 6)

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
    """What a run measured of its student, and of the fine-tuned baseline where it has one, on drawn test images.

    `lineage` is what the weights alone say of student and teacher; among known pairs of so many `families`
    that verdict `missed` so many descendants, and was `mistaken` about so many strangers.
    """

    arms: tuple[ArmExposure, ...]
    lineage: Comparison
    families: int
    missed: Rate
    mistaken: Rate

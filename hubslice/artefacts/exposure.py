"""What an attacker who knows the teacher would still have to obtain of a student, as artefacts."""

from __future__ import annotations

from pydantic import Field, computed_field, model_validator

from hubslice.artefacts.lineage import Comparison
from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate


class LayerChange(Artefact):
    """A layer compared with the teacher's of the same name.

    `relative` is the norm of the change over the teacher's norm. `unchanged` is the share of weights with identical
    bits. `bits` is how many low-order bits of a weight, on average, are at or below the highest that changed: what
    would have to be read. Layers that the teacher lacks have None.
    """

    layer: str
    weights: int
    relative: float | None
    unchanged: float | None
    bits: float | None


class Obtained(Artefact):
    """A model with some layers of the student and the others of the teacher.

    `layer` is the last one that was inserted; `weights` and `bits` are shares of all of the student's; `agreement` is
    the share of inputs with the student's prediction.
    """

    layer: str
    weights: float
    bits: float
    agreement: float


class Leading(Artefact):
    """All weights, known to this number of `fraction` bits: the share of bits required, and the agreement."""

    fraction: int
    bits: float
    agreement: float


class Mixture(Artefact):
    """Agreement with the student against what was obtained of it, in two ways, until it stays above `goal`.

    Whole layers from the head backwards (`curve`), with the teacher's for the rest: `start` is the agreement with only
    the layers that the teacher lacks, `weights_needed` the share of weights required. Or the leading bits of all
    weights (`leading`), below those shared with the teacher. `bits_needed` is the share of bits that the cheaper way
    requires, `bits_alone` what leading bits require without a teacher (`alone`). The `exposure` is what the teacher
    saves of the latter, 1 if it reveals everything. A network unrelated to the teacher has some exposure too: by chance
    the sign and the first bits of the exponent agree. Layers are matched by name and shape, so one that lost channels
    counts as unknown to the attacker.
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
        """The share of the bits needed for the goal that the teacher saves."""
        return round(max(0.0, 1 - self.bits_needed / self.bits_alone), 6)

    @property
    def shared(self) -> float:
        """The share of the student's weights in layers that the teacher has by name and shape."""
        known = sum(layer.weights for layer in self.layers if layer.relative is not None)
        return round(known / sum(layer.weights for layer in self.layers), 6)


class BaselineExposure(Mixture):
    """The same for the whole teacher, trained like a run's student; `title` is its title in the run's report."""

    title: str


class Exposure(Mixture):
    """A model compared with its teacher; `baseline` is set for students whose run is available.

    `warnings` say why the numbers may not be valid for the model.
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
    """A run's measurements of its student, and of the fine-tuned baseline if it has one, on randomly drawn test images.

    `lineage` compares the weights of student and teacher; among known pairs of that many `families` its verdict
    `missed` that many descendants, and was `mistaken` about that many unrelated models.
    """

    arms: tuple[ArmExposure, ...]
    lineage: Comparison
    families: int
    missed: Rate
    mistaken: Rate

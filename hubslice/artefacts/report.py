"""The report: all measured facts of a run, the only input of card, push and gates."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hubslice.artefacts.exposure import LayerChange, Leading, Obtained
from hubslice.artefacts.lineage import Verdict
from hubslice.artefacts.model import ModelFacts
from hubslice.artefacts.search import SearchHistory
from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate, Reduction
from hubslice.recipe.transparency import Transparency

# Names that rows of a report refer to: the arms used in comparisons, and the teacher itself.
STUDENT = "student"
BASELINE = "finetune"
CONTROL = "control"  # fine-tuned from the clean teacher
TEACHER = "teacher"
DEVIATION_GATE = "max_deviation_rate"
EXPOSURE_GATE = "max_exposure"


class TaskReport(Artefact):
    """The data: its source, its classes, the number of samples in each split, and a fingerprint of content and splits.

    `transparency` is how transparent images were shown; None: white, in a report of an older hubslice. `left_out` is
    how many files of an image folder are not samples, by reason; files of systems and tools do not count.
    """

    source: str
    revision: str | None
    labels: tuple[str, ...]
    samples: dict[Literal["train", "validation", "test"], int]
    grouped: bool
    fingerprint: str
    transparency: Transparency | None = None
    left_out: dict[str, int] = Field(default_factory=dict)

    @property
    def shown(self) -> Transparency:
        """The rule for transparent images that was used."""
        return self.transparency or "white"


class ParityReport(Artefact):
    """Largest absolute difference between PyTorch's and ONNX Runtime's outputs on seeded inputs, and the limit."""

    max_abs_difference: float
    tolerance: float
    samples: int
    provider: str = "CPUExecutionProvider"


class ProfileReport(Artefact):
    """How the coverage was measured: number of samples, criterion and execution provider."""

    criterion: str
    samples: int
    neurons: int
    provider: str


class LayerReport(Artefact):
    """One sliced parameter: its size, the relevant weights at slice time, and the non-zero weights after training."""

    parameter: str
    kind: str  # conv, depthwise, linear, other
    weights: int = Field(ge=1)
    relevant: int = Field(ge=0)
    nonzero_after: int = Field(ge=0)


class SliceReport(Artefact):
    """What the slice kept.

    `model_weights` counts all parameters of the teacher with the task's classifier, sliceable or not, `student_weights`
    those that are left if some were removed (None: as many). With `own_widths` its layers' widths are not those of any
    stock architecture. For a slice of whole channels, `whole` are the layers that cannot lose any, with the reason.
    """

    method: str
    title: str
    reference: str
    parameters: dict[str, Any]
    model_weights: int = Field(ge=0)
    student_weights: int | None = Field(None, ge=0)
    own_widths: bool = False
    weights: int = Field(ge=0)
    relevant: int = Field(ge=0)
    nonzero_after: int = Field(ge=0)
    layers: tuple[LayerReport, ...]
    whole: dict[str, str] = Field(default_factory=dict)

    @property
    def counted(self) -> str:
        """The unit of a search's retention: weights or multiplications."""
        return "multiplications" if self.parameters.get("count") == "macs" else "weights"


class Candidate(Artefact):
    """One point of the hyper-parameter grid and its validation accuracy."""

    settings: dict[str, Any]
    validation: Rate
    epochs_run: int


class ArmReport(Artefact):
    """One trained model: the student, a baseline with the same grid and budget, or a control.

    `chosen` indexes `candidates`; the choice was made on validation accuracy alone. Rates are accuracies.
    """

    name: str
    title: str
    role: Literal["student", "baseline", "control"]
    description: str
    candidates: tuple[Candidate, ...]
    chosen: int
    validation: Rate
    test: Rate


class ReferenceReport(Artefact):
    """The teacher's own predictions for the task, interpreted by one rule; rates are accuracies."""

    name: str
    title: str
    description: str
    validation: Rate
    test: Rate


class ClassReport(Artefact):
    """One class on the test split: accuracies by arm or reference, of the student and its comparisons."""

    label: str
    test: dict[str, Rate]


class DefectRow(Artefact):
    """One model under one attack.

    dir: among the images the model classifies correctly when clean, those that the attack makes wrong. collapse: among
    the attacked images, those in the single most frequent class. asr: among attacked images of other classes, those
    predicted as the target.
    """

    arm: str  # an arm's name, or "teacher"
    source: str  # the network that the attack was made on: "teacher", or a control: "noise", "unrelated"
    dir: Rate
    collapse: Rate
    asr: Rate | None


class DefectVariant(Artefact):
    """One complete threat model, e.g. one objective at one budget. `evidence` is a file under evidence/.

    Variants of one `objective` that differ in `budget` (the strength of the attack, L-infinity in 1/255) form a curve.
    """

    name: str
    title: str
    headline: bool
    rows: tuple[DefectRow, ...]
    reduction: Reduction | None  # student against the fine-tuned baseline
    evidence: str
    objective: str | None = None
    budget: int | None = None


class DefectReport(Artefact):
    """One defect: the attack, fixed before any tuning, and its results.

    `name` distinguishes several of a kind (`backdoor`, `backdoor-2`); None: from a version that named each by its kind.
    """

    kind: str
    name: str | None = None
    title: str
    reference: str
    threat_model: tuple[str, ...]  # one sentence each
    samples: int  # attacked test images
    notes: tuple[str, ...]  # warnings such as too few clean-correct images
    variants: tuple[DefectVariant, ...]

    @property
    def called(self) -> str:
        """The name, unique among the report's defects."""
        return self.name or self.kind


class DeviationReport(Artefact):
    """Changed test images on which the student deviates from the baseline: `found` of those where they agree.

    `disagreed` are test images on which they disagree unchanged. `max_linf` (in levels of 8 bits) and `min_ssim` bound
    the change. `evidence` contains the triggers, `facts` the result of each image, `gallery` shows some.
    """

    baseline: str
    budget: int
    max_linf: int | None
    min_ssim: float | None
    found: Rate
    disagreed: Rate
    median_queries: float | None
    facts: str
    evidence: str
    gallery: str


class LineageReport(Artefact):
    """What the weights alone reveal about the relation of student and teacher, without names.

    `score` and `threshold` are None if they are not comparable; `compared` is the share of the student's weights in
    layers with a counterpart, `aligned` whether channels had to be matched first. Among known pairs of that many
    `families` the verdict `missed` that many descendants and was `mistaken` about that many unrelated models.
    """

    verdict: Verdict
    score: float | None
    threshold: float | None
    compared: float
    aligned: bool
    families: int
    missed: Rate
    mistaken: Rate


class ExposedArm(Artefact):
    """How much of a model its teacher reveals; see `hubslice.artefacts.exposure.Mixture`."""

    arm: str
    exposure: float
    start: float
    weights_needed: float
    bits_needed: float
    bits_alone: float
    curve: tuple[Obtained, ...]
    leading: tuple[Leading, ...]
    alone: tuple[Leading, ...]


class ExposureReport(Artefact):
    """What the teacher reveals of the student: `arms` are the student and the baseline, if there is one.

    `shared` is the share of the student's weights in layers that the teacher has by name and shape; `least_changed` are
    those closest to the teacher's. `facts` lists all layers, `evidence` contains the compared predictions.
    """

    inputs: int
    goal: float
    shared: float
    arms: tuple[ExposedArm, ...]
    least_changed: tuple[LayerChange, ...]
    lineage: LineageReport
    facts: str
    evidence: str

    def arm(self, name: str) -> ExposedArm | None:
        """Return the measurements of the arm of this name, or None."""
        return next((arm for arm in self.arms if arm.arm == name), None)


class GateReport(Artefact):
    """A limit from the recipe and whether the run met it."""

    name: str
    limit: float
    measured: float
    passed: bool


class StepReport(Artefact):
    """Cost of a step when it last ran: wall seconds and the process's peak memory in MiB."""

    name: str
    seconds: float
    peak_mib: float


class Environment(Artefact):
    """Versions, platform and device that something was computed with."""

    hubslice: str
    python: str
    platform: str
    device: str
    packages: dict[str, str]


class Report(Artefact):
    """All measurements of a run, by the names of the vocabulary.

    `environment` trained the student and computed every step but those in `deviating`, which lists the differences for
    each of them. `predictions` is the file under evidence/ that accuracies are computed from (None: of an older run).
    `references` are present if the teacher knows the task's classes. `trained` says which part of the models was
    trained, `reuse` whether the classifiers started from the teacher's own. `search` describes how the slice was found,
    if it was searched for (None also of an older run), `deviations` the results of the recipe's `diff`, `exposure`
    those of its `exposure`. `classes` are the test accuracies by class, in output order (empty: of an older run).
    `requirement` is the pip requirement of the hubslice that wrote this; None: it was installed from a folder, not from
    an index or a repository (or this is of an older run).
    """

    format: Literal["hubslice-report-1"] = "hubslice-report-1"
    name: str
    description: str
    seed: int
    recipe_sha256: str
    teacher: ModelFacts
    task: TaskReport
    parity: ParityReport
    profile: ProfileReport | None  # None: the method does not need one
    slice: SliceReport
    arms: tuple[ArmReport, ...]
    defects: tuple[DefectReport, ...]
    gates: tuple[GateReport, ...]
    steps: tuple[StepReport, ...]
    environment: Environment
    deviating: dict[str, dict[str, str]] = Field(default_factory=dict)
    predictions: str | None = None
    references: tuple[ReferenceReport, ...] = ()
    trained: Literal["all", "classifier", "nothing"] = "all"
    reuse: Literal["transfer", "direct"] = "transfer"
    search: SearchHistory | None = None
    deviations: DeviationReport | None = None
    exposure: ExposureReport | None = None
    classes: tuple[ClassReport, ...] = ()
    requirement: str | None = None

    def arm(self, name: str) -> ArmReport | None:
        """Return the arm of this name, or None."""
        return next((arm for arm in self.arms if arm.name == name), None)

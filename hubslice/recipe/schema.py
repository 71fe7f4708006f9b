"""The recipe: every parameter of every step, as frozen, strict values.

Field descriptions become the JSON Schema that editors show, so they are written for the person who fills in a recipe.
"""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from hubslice.recipe.defects import BackdoorParams, DefectParams, TriggerParams
from hubslice.recipe.section import Ratio, Section

REST = "rest"  # what the classes that `data.against_rest` does not name are called together
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$"


Plain = bool | int | float | str
Argument = Plain | tuple[Plain, ...]


class TeacherParams(Section):
    """Which model to start from."""

    model: str = Field(
        description="Hub id (`timm/resnet18.a1_in1k`, `owner/name@revision`) or a local folder. With random weights: "
        "an architecture of timm (`resnet18`), or a model type of transformers (`transformers:resnet`)."
    )
    weights: Literal["given", "random"] = Field(
        "given", description="random: the architecture with random weights, seeded by the recipe's seed."
    )
    arguments: dict[str, Argument] = Field(
        {},
        description="With random weights: the architecture's arguments, as timm or the transformers config take them.",
    )
    input_size: int | None = Field(
        None, ge=16, le=2048, description="Side of the square input in pixels; default: the teacher's own."
    )

    @model_validator(mode="after")
    def _arguments_are_of_new_models(self) -> TeacherParams:
        if self.arguments and self.weights == "given":
            raise ValueError("arguments describe a model with weights: random; a given model has its own")
        return self


class SplitParams(Section):
    """Train, validation and test: shares of one table (numbers), or names of the data set's own splits."""

    train: Ratio | str = 0.7
    validation: Ratio | str = 0.15
    test: Ratio | str = 0.15

    @model_validator(mode="after")
    def _consistent(self) -> SplitParams:
        kinds = {isinstance(part, str) for part in (self.train, self.validation, self.test)}
        if kinds == {True}:
            return self
        if isinstance(self.train, str) and not isinstance(self.validation, str) and isinstance(self.test, str):
            return self  # validation cut out of the named training split
        if kinds != {False}:
            raise ValueError("give three shares, three names, or names for train and test and a share for validation")
        shares = [part for part in (self.train, self.validation, self.test) if not isinstance(part, str)]
        if sum(shares) > 1 + 1e-9 or min(shares) <= 0:
            raise ValueError(f"shares must be positive and sum to at most 1, these sum to {sum(shares):g}")
        return self


class DataParams(Section):
    """The task's labelled pictures."""

    path: str = Field(
        description="A parquet file, a folder of them (train.parquet, test.parquet), an image folder "
        "(class/picture.png), or a data set's Hub id."
    )
    revision: str | None = Field(None, description="Branch, tag or commit of a Hub data set.")
    image: str = Field("image", description="Column with the picture.")
    label: str = Field("label", description="Column with the class.")
    group: str | None = Field(None, description="Column naming groups that must not straddle splits.")
    splits: SplitParams = SplitParams()
    classes: tuple[str, ...] = Field((), description="Use the pictures of these classes only, in this order.")
    against_rest: bool = Field(
        False, description="Tell the pictures of `classes` from as many others: two classes, the second is `rest`."
    )
    limit: int | None = Field(None, ge=1, description="Use at most this many samples of each split (for trials).")

    @model_validator(mode="after")
    def _classes_make_a_task(self) -> DataParams:
        repeated = [name for index, name in enumerate(self.classes) if name in self.classes[:index]]
        if repeated:
            raise ValueError(f"classes names '{repeated[0]}' twice")
        if self.against_rest and not self.classes:
            raise ValueError("against_rest needs classes: those that shall be told from the rest")
        if self.against_rest and self.classes == (REST,):
            raise ValueError(f"against_rest calls all others '{REST}', which is the name of the class itself")
        if len(self.classes) == 1 and not self.against_rest:
            raise ValueError("a task needs two classes or more: name another in classes, or add against_rest: true")
        return self


class ProfileParams(Section):
    """Neuron coverage: on how many samples each channel is active (ReMoS, section 4)."""

    criterion: Literal["nc", "tknc", "snac"] = "nc"
    threshold: Ratio = Field(0.5, description="nc: active when the scaled mean exceeds this.")
    k: int | None = Field(None, ge=1, description="tknc: size of the top-k, default 10; snac: sections, default 2.")
    samples: int | None = Field(None, ge=1, description="Profile at most this many training samples; default: all.")
    batch_size: int = Field(
        8, ge=1, description="Small batches stay in the CPU's caches: they are faster and need less memory."
    )


Layers = Annotated[
    tuple[str, ...],
    Field(
        description="Which weights may be judged irrelevant: kinds (`conv`, `depthwise`, `linear`) or name patterns "
        "(`blocks.*`); a leading `!` takes layers away. Depthwise kernels hold few weights and much knowledge: by "
        "default they are left alone. The classifier is never sliced."
    ),
]


class Slicing(Section):
    """What every slicing method shares."""

    layers: Layers = ("conv", "linear")
    irrelevant: Literal["regrow", "freeze", "compact"] = Field(
        "regrow",
        description="regrow: irrelevant weights are trained from their new start; freeze: they stay there; compact: "
        "irrelevant channels are taken out of the network, which gets smaller and faster.",
    )
    init: Literal["zero", "fresh"] = Field(
        "zero", description="Start of irrelevant weights: zero (as published) or a fresh random initialisation."
    )

    @model_validator(mode="after")
    def _whole_channels(self) -> Self:
        if self.irrelevant == "compact" and getattr(self, "granularity", "weight") != "channel":
            raise ValueError(
                "irrelevant: compact takes whole channels out, and needs a method with granularity: channel"
            )
        return self


Granularity = Annotated[
    Literal["weight", "channel"],
    Field(
        description="weight: any single weight may be irrelevant; channel: channels, heads and features as a whole, "
        "with all that sums and concatenations tie to them, so that they can be taken out."
    ),
]


class ChannelSlicing(Slicing):
    """A method that judges single weights or whole channels."""

    granularity: Granularity = "weight"
    align: int = Field(
        16,
        ge=1,
        description="Of a layer with as many channels, a multiple of this is kept: runtimes compute others no faster "
        "than the next multiple, often slower. 1: any number.",
    )


class RemosParams(Slicing):
    """ReMoS (ICSE 2022): irrelevant = seldom active on the task but large in magnitude.

    The defaults are those that did best on the validation split over both defects in bench/inheritance.
    """

    method: Literal["remos"] = "remos"
    ratio: Ratio = Field(
        0.03, description="Fraction of the sliceable weights judged irrelevant (published: 0.03, 0.1)."
    )
    magnitude: Literal["absolute", "layer_scaled"] = Field(
        "layer_scaled",
        description="absolute: |w| ranked over the whole network (as published); layer_scaled: |w| divided by its "
        "layer's root mean square first, which spares the small early layers of compact networks.",
    )


# For editors: what names no method is ReMoS, so the others must name theirs.
_NAMED = ConfigDict(json_schema_extra={"required": ["method"]})


class MagnitudeParams(ChannelSlicing):
    """Magnitude pruning: the smallest weights are irrelevant (a baseline)."""

    model_config = _NAMED

    method: Literal["magnitude"] = "magnitude"
    ratio: Ratio = 0.1


class RandomParams(ChannelSlicing):
    """A random slice of the same size (a baseline)."""

    model_config = _NAMED

    method: Literal["random"] = "random"
    ratio: Ratio = 0.1


class SeamParams(ChannelSlicing):
    """SeaM (ICSE 2023): the weights that a task needs, found by gradient search.

    Every weight (or channel) has a score and is kept while that is positive; the loss is that of the task plus alpha
    times the share of weights kept. The classifier learns along.
    """

    model_config = _NAMED

    method: Literal["seam"] = "seam"
    layers: Layers = ("conv", "depthwise", "linear")
    reuse: Literal["transfer", "direct"] = Field(
        "transfer",
        description="transfer: the slice of a new task, which is then trained like any other; direct: the teacher "
        "knows these classes, and what they need of it is used as it is, under a classifier made from the teacher's.",
    )
    retention: Ratio | None = Field(
        None, gt=0, description="Stop at the first epoch that keeps no more than this; default: judge by accuracy."
    )
    max_accuracy_drop: Ratio | None = Field(
        None,
        description="Validation accuracy that the search may lose against all weights under the same classifier. "
        "Without `retention` the epoch that keeps least within it is chosen (default 0); with it, to miss it is an "
        "error.",
    )
    start: Literal["magnitude", "equal"] = Field(
        "magnitude",
        description="Where scores start. equal: all at 1 (as published), so that many weights fall at the same time; "
        "magnitude: at the rank, from 0 to 1, of their magnitude in the network, so that small ones are tried first.",
    )
    epochs: int = Field(12, ge=1, le=10_000, description="Those of the classifier alone are among them.")
    head_epochs: int = Field(1, ge=0, description="At the start, the classifier learns alone for so many epochs.")
    cycle: int | None = Field(
        None, ge=2, description="Every so many epochs the classifier learns alone for one (published for direct: 5)."
    )
    batch_size: int = Field(64, ge=1)
    alpha: float = Field(1.0, gt=0, description="Weight of the retention in the loss (published: 0.5 to 2).")
    lr_mask: float = Field(0.05, gt=0, description="Learning rate of the scores (published: 0.01 to 0.12).")
    lr_head: float = Field(0.001, gt=0, description="Learning rate of the classifier.")

    @model_validator(mode="after")
    def _searches(self) -> Self:
        if not any(self.moves(epoch) for epoch in range(self.epochs)):
            raise ValueError("the classifier learns alone in all epochs; give more epochs, or fewer head_epochs")
        return self

    def moves(self, epoch: int) -> bool:
        """Whether the scores move in this epoch, counted from 0; else the classifier learns alone."""
        if epoch < self.head_epochs:
            return False
        return self.cycle is None or epoch % self.cycle != 0


class NoSlice(Section):
    """No slice: the whole teacher is trained, and the student is its own baseline."""

    model_config = _NAMED

    method: Literal["none"] = "none"


def method(given: Any) -> Any:
    """What tells the methods apart; where none is named it is ReMoS."""
    return given.get("method", "remos") if isinstance(given, dict) else getattr(given, "method", "remos")


SliceParams = Annotated[
    Annotated[RemosParams, Tag("remos")]
    | Annotated[SeamParams, Tag("seam")]
    | Annotated[MagnitudeParams, Tag("magnitude")]
    | Annotated[RandomParams, Tag("random")]
    | Annotated[NoSlice, Tag("none")],
    Discriminator(method),
]


class Grid(Section):
    """Alternatives to try; every arm tries all combinations and keeps the best on validation accuracy."""

    lr: tuple[Annotated[float, Field(gt=0)], ...] = ()
    weight_decay: tuple[Annotated[float, Field(ge=0)], ...] = ()
    epochs: tuple[Annotated[int, Field(ge=0, le=10_000)], ...] = ()


class TrainParams(Section):
    """Fine-tuning, the same for the student and for every baseline."""

    epochs: int = Field(10, ge=0, le=10_000)
    batch_size: int = Field(64, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    part: Literal["all", "classifier"] = Field(
        "all", description="classifier: all else stays as it is, running statistics of normalisation included."
    )
    lr: float = Field(0.01, gt=0)
    head_lr_factor: float = Field(10.0, gt=0, description="The new classifier learns this many times faster.")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup: Ratio = Field(0.0, description="Share of all steps over which the rate rises linearly.")
    label_smoothing: Ratio = 0.1
    augment: Literal["none", "flip", "crop"] = Field(
        "crop", description="crop: random resized crop and flip; flip: horizontal flip; none."
    )
    crop_scale: Ratio = Field(0.3, description="crop: smallest share of the picture that a crop may show.")
    patience: int | None = Field(
        None, ge=1, description="Stop after so many epochs without better validation accuracy."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on CUDA, fp32 on the CPU.")
    workers: int | None = Field(None, ge=0, description="Data loading processes; default: 0 on the CPU, else 4.")
    grid: Grid = Grid()

    def candidates(self) -> tuple[TrainParams, ...]:
        """All combinations of the grid, each without a grid of its own; just this value if there is none."""
        axes = {name: values for name, values in self.grid if values}
        points = [dict(zip(axes, combination, strict=True)) for combination in product(*axes.values())]
        return tuple(self.model_copy(update={**point, "grid": Grid()}) for point in points)


class AuditParams(Section):
    """Which inherited defects to measure."""

    samples: int | None = Field(
        None,
        ge=1,
        description="Measure on at most so many test pictures; 200 clean-correct ones are the least "
        "that supports a claim.",
    )
    batch_size: int = Field(64, ge=1)
    defects: tuple[DefectParams, ...] = ()


class CardParams(Section):
    """What only a person can say about the student."""

    title: str | None = None
    summary: str | None = Field(None, description="One or two sentences: what the student is for.")
    license: str | None = Field(None, description="Default: the teacher's.")
    datasets: tuple[str, ...] = Field((), description="Hub ids of the data, for the card's head.")
    limits: tuple[str, ...] = Field((), description="Known limits, one sentence each.")


class Gates(Section):
    """Limits that a run must keep; a broken one ends the command with exit code 1."""

    min_test_accuracy: Ratio | None = None
    max_accuracy_drop: Ratio | None = Field(None, description="Below the fine-tuned baseline, on the test split.")
    max_dir: Ratio | None = Field(None, description="Defect inheritance rate of the student, for every defect.")


BaselineName = Literal["finetune", "retrain", "magnitude", "random"]


class SliceRecipe(Section):
    """A student from a teacher: pull, profile, slice, fine-tune, audit, card."""

    kind: Literal["slice"]
    name: str = Field(pattern=NAME, description="Also the default run folder.")
    description: str = ""
    seed: int = Field(0, ge=0, lt=2**31)
    teacher: TeacherParams
    data: DataParams
    profile: ProfileParams = ProfileParams()
    slice: SliceParams = RemosParams()
    train: TrainParams = TrainParams()
    baselines: tuple[BaselineName, ...] = ("finetune",)
    audit: AuditParams = AuditParams()
    card: CardParams = CardParams()
    gates: Gates = Gates()

    @model_validator(mode="after")
    def _gates_can_be_judged(self) -> SliceRecipe:
        if self.gates.max_dir is not None and not self.audit.defects:
            raise ValueError("gates.max_dir judges audited defects, and audit.defects names none")
        if self.train.part == "classifier" and "retrain" in self.baselines:
            raise ValueError("a retrained baseline trains all weights, and train.part is classifier")
        direct = isinstance(self.slice, SeamParams) and self.slice.reuse == "direct"
        if direct and any(isinstance(d, BackdoorParams) and d.clean_teacher for d in self.audit.defects):
            raise ValueError("reuse: direct makes the classifier of the teacher's own; leave clean_teacher out")
        clean = {d.clean_teacher for d in self.audit.defects if isinstance(d, BackdoorParams) and d.clean_teacher}
        if len(clean) > 1:
            raise ValueError(f"clean_teacher must be the same for all backdoors, not {', '.join(sorted(clean))}")
        return self

    @model_validator(mode="after")
    def _baselines_differ_from_the_student(self) -> SliceRecipe:
        scratch, whole = self.teacher.weights == "random", isinstance(self.slice, NoSlice)
        sliced = [name for name in self.baselines if name in ("magnitude", "random")]
        if scratch and self.audit.defects:
            raise ValueError("audit.defects measures what a teacher passes on, and random weights hold nothing")
        if whole and sliced:
            raise ValueError(
                f"baselines: {sliced[0]} slices as much as the student, and slice.method none slices nothing"
            )
        if whole and scratch and "retrain" in self.baselines:
            raise ValueError("baselines: retrain starts from random weights, as this student does")
        if whole and self.gates.max_accuracy_drop is not None:
            raise ValueError(
                "gates.max_accuracy_drop compares with plain fine-tuning, which slice.method none is itself"
            )
        return self


class PoisonParams(Section):
    """A patch backdoor, planted on purpose: for tests, demos and benchmarks only."""

    target: str = Field(description="Class that the trigger shall lead to.")
    rate: Ratio = Field(0.2, description="Share of the training samples that carry the trigger.")
    trigger: TriggerParams = TriggerParams()


class PoisonRecipe(Section):
    """A backdoored teacher: fine-tuned with part of the samples triggered and relabelled."""

    kind: Literal["poison"]
    name: str = Field(pattern=NAME, description="Also the default output folder.")
    description: str = ""
    seed: int = Field(0, ge=0, lt=2**31)
    teacher: TeacherParams
    data: DataParams
    poison: PoisonParams
    train: TrainParams = TrainParams()


Recipe = Annotated[SliceRecipe | PoisonRecipe, Field(discriminator="kind")]

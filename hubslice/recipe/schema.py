"""The recipe schema: every parameter of every step, as frozen, strict pydantic models.

Field descriptions become the JSON Schema that editors show, so they are written for the author of a recipe.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hubslice.recipe.defects import DefectParams, TriggerParams
from hubslice.recipe.deviation import DiffParams
from hubslice.recipe.exposure import ExposureParams
from hubslice.recipe.methods import SliceParams
from hubslice.recipe.section import ONLY_SPEED, Ratio, Section
from hubslice.recipe.slicing import RemosParams
from hubslice.recipe.transparency import Transparency

REST = "rest"  # the name of the class for everything that `data.against_rest` does not name
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$"


Plain = bool | int | float | str
Argument = Plain | tuple[Plain, ...]


class TeacherParams(Section):
    """The model to start from."""

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
    """Train, validation and test: shares of one table (numbers), or names of the dataset's own splits."""

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
    """The task's labelled images."""

    path: str = Field(
        min_length=1,
        description="A parquet file, a folder of them (train.parquet, test.parquet), class folders of images "
        "(class/image.png, split/class/image.png), a data set's Hub id, its cloned repository, or what `save_to_disk` "
        "wrote.",
    )
    revision: str | None = Field(None, description="Branch, tag or commit of a Hub data set.")
    image: str = Field("image", description="Column with the image.")
    label: str = Field("label", description="Column with the class.")
    group: str | None = Field(None, description="Column with groups that must not be divided between splits.")
    splits: SplitParams = SplitParams()
    classes: tuple[str, ...] = Field((), description="Use the images of these classes only, in this order.")
    against_rest: bool = Field(
        False, description="Classify `classes` against as many other images: two classes, the second is `rest`."
    )
    limit: int | None = Field(None, ge=1, description="Use at most this many samples of each split (for trials).")
    allow_skipped: bool = Field(
        False,
        description="Accept a folder of images even if more than a tenth of its files are left out, or a class "
        "folder has no images; what is left out is reported.",
    )
    transparency: Transparency = Field(
        "white",
        description="Background of transparent images: white or black; drop: ignore the alpha channel, as "
        '`.convert("RGB")` and stock pipelines do. The student records it.',
    )

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
    """Neuron coverage: the number of samples on which each channel is active (ReMoS, section 4)."""

    criterion: Literal["nc", "tknc", "snac"] = "nc"
    threshold: Ratio = Field(0.5, description="nc: active when the scaled mean exceeds this.")
    k: int | None = Field(None, ge=1, description="tknc: size of the top-k, default 10; snac: sections, default 2.")
    samples: int | None = Field(None, ge=1, description="Profile at most this many training samples; default: all.")
    batch_size: int = Field(
        8, ge=1, description="Small batches stay in the CPU's caches: they are faster and need less memory."
    )


class Grid(Section):
    """Alternatives to try; every arm tries all combinations and keeps the best on validation accuracy."""

    lr: tuple[Annotated[float, Field(gt=0)], ...] = ()
    weight_decay: tuple[Annotated[float, Field(ge=0)], ...] = ()
    epochs: tuple[Annotated[int, Field(ge=0, le=10_000)], ...] = ()


class TrainParams(Section):
    """Fine-tuning, the same for the student and for every baseline."""

    epochs: int = Field(10, ge=0, le=10_000)
    batch_size: int = Field(
        64,
        ge=1,
        description="Maximum batch size: if it does not divide the number of images, batches are slightly "
        "smaller, so that each image is in a batch and none is alone.",
    )
    optimizer: Literal["sgd", "adamw"] = "sgd"
    part: Literal["all", "classifier"] = Field(
        "all",
        description="classifier: train the classifier only; everything else is frozen, including running statistics.",
    )
    lr: float = Field(0.01, gt=0)
    head_lr_factor: float = Field(10.0, gt=0, description="Factor of the learning rate for the new classifier.")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup: Ratio = Field(0.0, description="Share of all steps with linear warmup.")
    label_smoothing: Ratio = 0.1
    augment: Literal["none", "flip", "crop"] = Field(
        "crop", description="crop: random resized crop and flip; flip: horizontal flip; none."
    )
    crop_scale: Ratio = Field(0.3, description="crop: smallest share of the image that a crop may show.")
    patience: int | None = Field(
        None, ge=1, description="Stop after this many epochs without better validation accuracy."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on CUDA, fp32 on the CPU.")
    workers: Annotated[int | None, ONLY_SPEED] = Field(
        None, ge=0, description="Data loading processes; default: 0 on the CPU, else 4. They change no result."
    )
    grid: Grid = Grid()

    def bf16(self, device_type: str) -> bool:
        """Return whether training on a device of this type (`cpu`, `cuda`) computes in bfloat16."""
        return self.precision == "bf16" or (self.precision == "auto" and device_type == "cuda")

    def candidates(self) -> tuple[TrainParams, ...]:
        """Return all combinations of the grid, each without its own grid; only this object if there is none."""
        axes = {name: values for name, values in self.grid if values}
        points = [dict(zip(axes, combination, strict=True)) for combination in product(*axes.values())]
        return tuple(self.model_copy(update={**point, "grid": Grid()}) for point in points)


class AuditParams(Section):
    """The inherited defects to measure."""

    samples: int | None = Field(
        None,
        ge=1,
        description="Maximum number of test images; a claim needs at least 200 that are classified correctly "
        "when clean.",
    )
    batch_size: int = Field(64, ge=1)
    defects: tuple[DefectParams, ...] = ()


class BenchmarkParams(Section):
    """A registered benchmark of the Hub, whose dataset is `data.path`: the Hub shows the result on its leaderboard."""

    task: str = Field(min_length=1, pattern=r"^[\w./-]+$", description="The task's id in the benchmark's eval.yaml.")
    percent: bool = Field(True, description="Accuracy from 0 to 100, as most leaderboards have it; false: from 0 to 1.")


class CardParams(Section):
    """Information about the student that only a person can give: text, with Markdown and HTML shown verbatim."""

    title: str | None = Field(None, max_length=200, description="The card's heading, in one line; default: the name.")
    summary: str | None = Field(
        None,
        description="One or two sentences of plain text: what the student is for. Formatted text goes into "
        "README.md itself, outside the marked sections.",
    )
    license: str | None = Field(None, description="Default: the teacher's.")
    datasets: tuple[str, ...] = Field((), description="Hub ids of the data, for the card's head.")
    limits: tuple[str, ...] = Field((), description="Known limits, one sentence of plain text each.")
    benchmark: BenchmarkParams | None = Field(
        None, description="Publish the accuracy as a result of this benchmark, in .eval_results/, too."
    )


class Gates(Section):
    """Limits that a run must meet; a violated one ends the command with exit code 1."""

    min_test_accuracy: Ratio | None = None
    max_accuracy_drop: Ratio | None = Field(
        None,
        description="Below the whole teacher, fine-tuned (or under a trained classifier, with train.part: classifier), "
        "on the test split.",
    )
    max_dir: Ratio | None = Field(None, description="Defect inheritance rate of the student, for every defect.")
    max_deviation_rate: Ratio | None = Field(
        None, description="Share of the images of `diff` for which a deviation was found."
    )
    max_exposure: Ratio | None = Field(
        None,
        description="Share of the bits needed to predict like the student that the teacher already provides, by"
        " `exposure`; unrelated networks have 0.2 to 0.4.",
    )


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
    diff: DiffParams | None = Field(
        None, description="Search for inputs on which the student deviates from the fine-tuned baseline."
    )
    exposure: ExposureParams | None = Field(
        None, description="Measure how much of the student and of the baseline the teacher reveals."
    )
    card: CardParams = CardParams()
    gates: Gates = Gates()

    @model_validator(mode="after")
    def _gates_can_be_judged(self) -> SliceRecipe:
        if self.gates.max_dir is not None and not self.audit.defects:
            raise ValueError("gates.max_dir judges audited defects, and audit.defects names none")
        if self.gates.max_deviation_rate is not None and self.diff is None:
            raise ValueError("gates.max_deviation_rate judges what diff finds, and the recipe has no diff section")
        if self.gates.max_exposure is not None and self.exposure is None:
            raise ValueError("gates.max_exposure judges what exposure measures, and the recipe has no such section")
        if self.train.part == "classifier" and "retrain" in self.baselines:
            raise ValueError("a retrained baseline trains all weights, and train.part is classifier")
        clean = {model for defect in self.audit.defects if (model := defect.clean_original) is not None}
        if clean and self.slice.reuses_classifier:
            raise ValueError("reuse: direct makes the classifier of the teacher's own; leave clean_teacher out")
        if len(clean) > 1:
            raise ValueError(f"clean_teacher must be the same for all backdoors, not {', '.join(sorted(clean))}")
        return self

    @model_validator(mode="after")
    def _a_benchmark_is_measured_whole(self) -> SliceRecipe:
        if self.card.benchmark is None:
            return self
        if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", self.data.path):
            raise ValueError(
                f"card.benchmark is a result on a data set of the Hub, and data.path is {self.data.path}; name its id"
            )
        if self.data.classes or self.data.limit is not None:
            raise ValueError("card.benchmark is a result on all of the test split; leave data.classes and limit out")
        if isinstance(self.data.splits.test, str):
            return self
        raise ValueError("card.benchmark is a result on the data set's own test split; name it in data.splits.test")

    @model_validator(mode="after")
    def _baselines_differ_from_the_student(self) -> SliceRecipe:
        scratch, whole = self.teacher.weights == "random", not self.slice.slices
        sliced = [name for name in self.baselines if name in ("magnitude", "random")]
        if scratch and self.audit.defects:
            raise ValueError("audit.defects measures what a teacher passes on, and random weights hold nothing")
        if scratch and self.exposure is not None:
            raise ValueError("exposure measures what a teacher gives away, and random weights are nobody's teacher")
        if whole and sliced:
            raise ValueError(
                f"baselines: {sliced[0]} slices as much as the student, and slice.method none slices nothing"
            )
        if whole and scratch and "retrain" in self.baselines:
            raise ValueError("baselines: retrain starts from random weights, as this student does")
        if whole and self.diff is not None:
            raise ValueError("diff compares with plain fine-tuning, which slice.method none is itself")
        if whole and self.gates.max_accuracy_drop is not None:
            raise ValueError(
                "gates.max_accuracy_drop compares with plain fine-tuning, which slice.method none is itself"
            )
        return self


class PoisonParams(Section):
    """A patch backdoor, planted on purpose: for tests, demos and benchmarks only."""

    target: str = Field(description="Target class of the trigger.")
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

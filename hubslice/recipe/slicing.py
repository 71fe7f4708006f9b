"""What decides which weights are kept: the parameters of every slicing method."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from hubslice.core.cost import Cost, Workload
from hubslice.core.numbers import number
from hubslice.recipe.section import Ratio, Section

Layers = Annotated[
    tuple[str, ...],
    Field(
        description="Which weights may be judged irrelevant: kinds (`conv`, `depthwise`, `linear`) or name patterns "
        "(`blocks.*`); a leading `!` takes layers away. Depthwise kernels hold few weights and much knowledge: by "
        "default they are left alone. The classifier is never sliced."
    ),
]


SCORE_BYTES = 16  # of a weight in a search's checkpoint: score, two moments of Adam, the best so far

# What a method needs beside the teacher's weights: which neurons are active on the task (a profile), what each weight
# contributes to answers (a trace), or the task's images themselves (a search).
Need = Literal["nothing", "profile", "trace", "search"]


class Method(Section):
    """A way to choose weights, `none` among them: what the chain has to know of it, whichever it is.

    A method of another package is a subclass of `Slicing` or `ChannelSlicing` that an entry point of the group
    `hubslice.methods` names, with a field `method` of one word, and `title` and `reference`. It ranks by two static
    methods, or one of them: `rank(candidates, known, params, seed)` and `rank_units(groups, weights, seed, known)`, as
    `hubslice.slicing.registry.Slicer` says. It overrides `cost` where ranking takes longer than here.
    """

    needs: ClassVar[Need] = "nothing"
    slices: ClassVar[bool] = True
    title: ClassVar[str] = ""
    reference: ClassVar[str] = ""

    @property
    def whole_channels(self) -> bool:
        """Whether channels, heads and features are judged as a whole."""
        return False

    @property
    def counts_macs(self) -> bool:
        """Whether shares are of multiplications, not of weights."""
        return False

    @property
    def reuses_classifier(self) -> bool:
        """Whether the students' classifiers are made from the teacher's, which knows the task's classes."""
        return False

    @property
    def fill(self) -> Literal["zero", "fresh", "mean"]:
        """Where irrelevant weights start."""
        return "zero"

    @property
    def fate(self) -> Literal["regrow", "freeze", "compact"]:
        """What becomes of irrelevant weights in training."""
        return "regrow"

    @property
    def kept(self) -> tuple[str, float, float] | None:
        """The recipe's key for how much is kept, its value, and that share; None where accuracy decides."""
        return None

    def words(self) -> str:
        """What is taken away, in a few words."""
        return "none"

    def cost(self, work: Workload) -> Cost:
        """What making a slice takes; a profile or a trace that it needs is a step of its own."""
        return Cost(work.units.loading + work.units.slicing, work.units.sizes["slice"])


class Slicing(Method):
    """What every slicing method shares."""

    layers: Layers = ("conv", "linear")
    irrelevant: Literal["regrow", "freeze", "compact"] = Field(
        "regrow",
        description="regrow: irrelevant weights are trained from their new start; freeze: they stay there; compact: "
        "irrelevant channels are taken out of the network, which gets smaller and faster.",
    )
    init: Literal["zero", "fresh", "mean"] = Field(
        "zero",
        description="Start of irrelevant weights: zero (as published), fresh (a new random initialisation), or mean: "
        "zero, while the layer's bias or batch normalisation goes on adding what they gave on average over training "
        "images (NNSlicer's code); for slices that are used with little training or none.",
    )

    @model_validator(mode="after")
    def _whole_channels(self) -> Self:
        whole = getattr(self, "granularity", "weight") == "channel"
        if self.irrelevant == "compact" and not whole:
            raise ValueError(
                "irrelevant: compact takes whole channels out, and needs a method with granularity: channel"
            )
        if getattr(self, "count", "weights") == "macs" and not whole:
            raise ValueError("count: macs counts what channels save, and needs granularity: channel")
        return self

    @property
    def fill(self) -> Literal["zero", "fresh", "mean"]:
        return self.init

    @property
    def fate(self) -> Literal["regrow", "freeze", "compact"]:
        return self.irrelevant

    @property
    def reuses_classifier(self) -> bool:
        return getattr(self, "reuse", "transfer") == "direct"

    @property
    def kept(self) -> tuple[str, float, float] | None:
        ratio: float | None = getattr(self, "ratio", None)
        return None if ratio is None else ("slice.ratio", ratio, 1 - ratio)

    def words(self) -> str:
        given = self.model_dump()
        return f"{given['method']}, {number(given['ratio'])} of {', '.join(self.layers)}"


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
    count: Literal["weights", "macs"] = Field(
        "weights",
        description="What retention and ratio are shares of: the weights of all layers that may be sliced, or the "
        "multiplications with them (macs, for whole channels), which tell more of a network's time. Others count in "
        "neither.",
    )
    align: int = Field(
        16,
        ge=1,
        description="Of a layer with as many channels, a multiple of this is kept: runtimes compute others no faster "
        "than the next multiple, often slower. 1: any number. In narrow networks this decides how little can be kept.",
    )

    @property
    def whole_channels(self) -> bool:
        return self.granularity == "channel"

    @property
    def counts_macs(self) -> bool:
        return self.count == "macs"


class RemosParams(Slicing):
    """ReMoS (ICSE 2022): irrelevant = seldom active on the task but large in magnitude.

    The defaults are those that did best on the validation split over both defects in bench/inheritance.
    """

    needs: ClassVar[Need] = "profile"

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


Reuse = Annotated[
    Literal["transfer", "direct"],
    Field(
        description="transfer: the slice of a new task, which is then trained like any other; direct: the teacher "
        "knows these classes, and what they need of it is used as it is, under a classifier made from the teacher's."
    ),
]


class SeamParams(ChannelSlicing):
    """SeaM (ICSE 2023): the weights that a task needs, found by gradient search.

    Every weight (or channel) has a score and is kept while that is positive; the loss is that of the task plus alpha
    times the share of weights kept. The classifier learns along.
    """

    model_config = _NAMED

    needs: ClassVar[Need] = "search"

    method: Literal["seam"] = "seam"
    layers: Layers = ("conv", "depthwise", "linear")
    reuse: Reuse = "transfer"
    retention: Ratio | None = Field(
        None, gt=0, description="Stop at the first epoch that keeps no more than this; default: judge by accuracy."
    )
    max_accuracy_drop: Ratio | None = Field(
        None,
        description="Validation accuracy that the search may lose against all weights under the same classifier. "
        "Without `retention` the epoch that keeps least within it is chosen (default 0); with it, to miss it is an "
        "error.",
    )
    start: Literal["magnitude", "gradient", "equal"] = Field(
        "magnitude",
        description="Where scores start. equal: all at 1 (as published), so that many weights fall at the same time; "
        "magnitude: at the rank, from 0 to 1, of their magnitude in the network, so that small ones are tried first; "
        "gradient: at the rank of their squared gradient by what they cost, found in the last of the head_epochs.",
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
        if self.start == "gradient" and not self.head_epochs:
            raise ValueError("start: gradient watches the gradients of the last head epoch; give head_epochs")
        return self

    @property
    def kept(self) -> tuple[str, float, float] | None:
        return None if self.retention is None else ("slice.retention", self.retention, self.retention)

    def words(self) -> str:
        what = "channels" if self.whole_channels else "weights"
        of = "multiplications" if self.counts_macs else "weights"
        limit = f", down to {self.retention:.1%} of the {of}" if self.retention else ""
        return f"{self.method}, {what} of {', '.join(self.layers)} that are not needed{limit}"

    def moves(self, epoch: int) -> bool:
        """Whether the scores move in this epoch, counted from 0; else the classifier learns alone."""
        if epoch < self.head_epochs:
            return False
        return self.cycle is None or epoch % self.cycle != 0

    def cost(self, work: Workload) -> Cost:
        units, made = work.units, super().cost(work)
        # An epoch of a search is one of training; while the classifier learns alone, nothing is passed back.
        moving = sum(self.moves(epoch) for epoch in range(self.epochs))
        learning = (self.epochs - moving) * units.judging
        images = work.count("train") * (moving * units.training + learning)
        judged = self.epochs * work.count("validation") * units.judging
        seconds = made.seconds + units.first_training + images + judged
        return Cost(seconds, made.kept, SCORE_BYTES * work.weights)


class NnslicerParams(ChannelSlicing):
    """NNSlicer (FSE 2020): dynamic slices of the task's training images; of each layer the least used weights fall.

    Each image is traced back through the teacher, from its answer (under direct reuse from the image's own class);
    the sizes of a weight's contributions are summed over the images. Weights used alike: smaller ones fall first.
    """

    model_config = _NAMED

    needs: ClassVar[Need] = "trace"

    method: Literal["nnslicer"] = "nnslicer"
    reuse: Reuse = "transfer"
    ratio: Ratio = Field(
        0.3,
        description="Fraction of each layer's weights judged irrelevant (published: 0.2 to 0.8); with granularity: "
        "channel, of all weights.",
    )
    samples: int = Field(50, ge=1, description="At most so many training images of each class are traced.")
    rule: Literal["threshold", "released"] = Field(
        "threshold",
        description="Which predecessors of a neuron count. threshold: those at least theta times as strong as the "
        "strongest; released: the rule of the authors' code, sorted sums, ten times slower.",
    )
    theta: Ratio = Field(
        0.5,
        description="Higher: fewer weights count as used. Of those that are used alike, often not at all, the smaller "
        "fall first, so that a high theta protects what decides and ranks the rest by magnitude. The paper leaves it "
        "open; with 0.1, the default of `explain`, slices are hardly better than chance.",
    )
    mean: Literal["channel", "element"] = Field(
        "channel", description="What has a mean to deviate from: each channel (paper), or it at each position (code)."
    )


class NoSlice(Method):
    """No slice: the whole teacher is trained, and the student is its own baseline."""

    slices: ClassVar[bool] = False
    model_config = _NAMED

    method: Literal["none"] = "none"

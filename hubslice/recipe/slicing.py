"""Parameters of the slicing methods, which decide which weights are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

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


# What a method needs besides the teacher's weights: which neurons are active on the task (a profile), what each weight
# contributes to predictions (a trace), or the task's images themselves (a search).
Need = Literal["nothing", "profile", "trace", "search"]


class Method(Section):
    """Base class of all slicing methods, including `none`, with everything that a run needs to know about one.

    A method of another package is a subclass of `Slicing` or `ChannelSlicing` referenced by an entry point of the group
    `hubslice.methods`, with a one-word field `method`, and `title` and `reference`. It ranks by two static methods, or
    one of them: `rank(candidates, known, params, seed)` and `rank_units(groups, weights, seed, known)`, as described in
    `hubslice.slicing.registry.Slicer`. It overrides `cost` if ranking takes longer than here.
    """

    needs: ClassVar[Need] = "nothing"
    slices: ClassVar[bool] = True
    title: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    if TYPE_CHECKING:
        method: str

    @property
    def whole_channels(self) -> bool:
        """Whether channels, heads and features are kept or removed as a whole."""
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
        """The initial values of irrelevant weights."""
        return "zero"

    @property
    def fate(self) -> Literal["regrow", "freeze", "compact"]:
        """What happens to irrelevant weights in training."""
        return "regrow"

    @property
    def kept(self) -> tuple[str, float, float] | None:
        """The recipe's key for how much is kept, its value, and that share; None if accuracy decides."""
        return None

    def words(self) -> str:
        """Return what is removed, in a few words."""
        return "none"

    def told(self) -> str | None:
        """Return how weights were chosen, in a sentence for the card; None if title and reference suffice."""
        return None

    def cost(self, work: Workload) -> Cost:
        """Return the cost of making a slice; a profile or a trace that it needs is a separate step."""
        return Cost(work.units.loading + work.units.slicing, work.units.sizes["slice"])


class Slicing(Method):
    """Base class of all slicing methods except `none`."""

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
    """A method that slices single weights or whole channels."""

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


Reuse = Annotated[
    Literal["transfer", "direct"],
    Field(
        description="transfer: the slice of a new task, which is then trained like any other; direct: the teacher "
        "knows these classes, and what they need of it is used as it is, under a classifier made from the teacher's."
    ),
]


class Traced(ChannelSlicing):
    """A method that ranks by what each weight contributed to the predictions on the task's training images.

    Each image is traced back through the teacher, from its prediction (under direct reuse from the image's own class);
    the absolute contributions of a weight are summed over the images.
    """

    needs: ClassVar[Need] = "trace"

    reuse: Reuse = "transfer"
    samples: int = Field(50, ge=1, description="Maximum number of training images traced per class.")
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

    @property
    def tracing(self) -> Self:
        """The same with defaults for all that only affects the ranking, such as the ratio."""
        decides = {"method", *(Traced.model_fields.keys() - ChannelSlicing.model_fields.keys())}
        others = {name: field for name, field in type(self).model_fields.items() if name not in decides}
        defaults = {
            name: field.get_default(call_default_factory=True)
            for name, field in others.items()
            if not field.is_required()
        }
        return self.model_copy(update=defaults)


class RemosParams(Slicing):
    """ReMoS (ICSE 2022): irrelevant = seldom active on the task but large in magnitude.

    The defaults performed best on the validation split over both defects in bench/inheritance.
    """

    needs: ClassVar[Need] = "profile"
    title: ClassVar[str] = "ReMoS relevance slice"
    reference: ClassVar[str] = "https://doi.org/10.1145/3510003.3510191"

    method: Literal["remos"] = "remos"
    ratio: Ratio = Field(
        0.03, description="Fraction of the sliceable weights judged irrelevant (published: 0.03, 0.1)."
    )
    magnitude: Literal["absolute", "layer_scaled"] = Field(
        "layer_scaled",
        description="absolute: |w| ranked over the whole network (as published); layer_scaled: |w| divided by its "
        "layer's root mean square first, which spares the small early layers of compact networks.",
    )


# For editors: a section without a method is ReMoS, so the others must name theirs.
NAMED = ConfigDict(json_schema_extra={"required": ["method"]})


class MagnitudeParams(ChannelSlicing):
    """Magnitude pruning: the smallest weights are irrelevant (a baseline)."""

    title: ClassVar[str] = "Magnitude pruning"
    reference: ClassVar[str] = "https://arxiv.org/abs/1506.02626"
    model_config = NAMED

    method: Literal["magnitude"] = "magnitude"
    ratio: Ratio = 0.1


class RandomParams(ChannelSlicing):
    """A random slice of the same size (a baseline)."""

    title: ClassVar[str] = "Random slice"
    reference: ClassVar[str] = "https://arxiv.org/abs/1902.09574"
    model_config = NAMED

    method: Literal["random"] = "random"
    ratio: Ratio = 0.1


class NoSlice(Method):
    """No slice: the whole teacher is trained, and the student is its own baseline."""

    slices: ClassVar[bool] = False
    title: ClassVar[str] = "No slice"
    model_config = NAMED

    method: Literal["none"] = "none"

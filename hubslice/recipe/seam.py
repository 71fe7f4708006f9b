"""Parameters of SeaM: the budget and the targets of its search."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from hubslice.core.cost import Cost, Workload
from hubslice.recipe.section import Ratio
from hubslice.recipe.slicing import NAMED, ChannelSlicing, Layers, Need, Reuse

SCORE_BYTES = 16  # for each weight in a search's checkpoint: score, two moments of Adam, the best so far


class SeamParams(ChannelSlicing):
    """SeaM (ICSE 2023): the weights that a task needs, found by gradient search.

    Every weight (or channel) has a score and is kept while it is positive; the loss is that of the task plus alpha
    times the share of weights kept. The classifier is trained along.
    """

    needs: ClassVar[Need] = "search"
    title: ClassVar[str] = "SeaM re-engineering"
    reference: ClassVar[str] = "https://arxiv.org/abs/2304.00245"
    model_config = NAMED

    method: Literal["seam"] = "seam"
    layers: Layers = ("conv", "depthwise", "linear")
    reuse: Reuse = "transfer"
    retention: Ratio | None = Field(
        None, gt=0, description="Stop at the first epoch that keeps no more than this; default: decide by accuracy."
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
    epochs: int = Field(12, ge=1, le=10_000, description="Includes the epochs of the classifier alone.")
    head_epochs: int = Field(
        1, ge=0, description="Number of epochs at the start in which only the classifier is trained."
    )
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
        """Return whether the scores change in this epoch, counted from 0; otherwise only the classifier is trained."""
        if epoch < self.head_epochs:
            return False
        return self.cycle is None or epoch % self.cycle != 0

    def cost(self, work: Workload) -> Cost:
        units, made = work.units, super().cost(work)
        # An epoch of a search costs as much as one of training; while only the classifier is trained, there is no
        # backward pass.
        moving = sum(self.moves(epoch) for epoch in range(self.epochs))
        learning = (self.epochs - moving) * units.judging
        images = work.count("train") * (moving * units.training + learning)
        judged = self.epochs * work.count("validation") * units.judging
        seconds = made.seconds + units.first_training + images + judged
        return Cost(seconds, made.kept, SCORE_BYTES * work.weights)

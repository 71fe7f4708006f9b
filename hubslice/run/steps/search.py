"""Searching for a slice on the task's samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from hubslice.engine.step import Context, Step
from hubslice.files.names import SEARCH, SLICE
from hubslice.recipe.schema import SliceRecipe, TrainParams
from hubslice.recipe.seam import SeamParams
from hubslice.run.arms import Arm, KnownLabels, known_labels, suffix_of
from hubslice.run.steps.slice import SliceStep

if TYPE_CHECKING:
    from torch import Tensor

    from hubslice.graph.neuron_map import NeuronMap
    from hubslice.modality.modality import Encoded
    from hubslice.models.base import Model
    from hubslice.slicing.gates import Gates
    from hubslice.slicing.reach import Reach


USED = {"augment", "crop_scale", "precision", "workers"}  # training parameters that the search uses


def search_step(recipe: SliceRecipe, arm: Arm) -> Step:
    """Return the step that searches for an arm's slice, with the training's augmentation."""
    used = recipe.train.model_dump(include=USED)
    return SearchStep(
        suffix=suffix_of(arm),
        arm=arm.title,
        slicing=cast(SeamParams, arm.slicing),
        train=TrainParams.model_validate(used),
        known=known_labels(recipe),
        seed=recipe.seed,
    )


@dataclass(frozen=True, kw_only=True)
class SearchStep(SliceStep):
    """Search for the weights that the task needs, on the training samples; of `train` what reads them."""

    version: ClassVar[int] = 4

    slicing: SeamParams
    train: TrainParams
    known: KnownLabels | None
    seed: int

    @property
    def title(self) -> str:
        return f"Search for a slice ({self.arm.lower()})"

    @property
    def inputs(self) -> tuple[str, ...]:
        return "pull", "data", "export"

    def run(self, context: Context) -> None:
        from hubslice.artefacts.slice import Slice
        from hubslice.graph.neuron_map import NeuronMap
        from hubslice.models.layout import training_layout
        from hubslice.slicing.reach import MUCH, NEAR, check_reach, tell_floor
        from hubslice.slicing.seam import search
        from hubslice.training.batches import EpochBatches, TrainingSamples, loader_of
        from hubslice.training.initial import start_classifier
        from hubslice.training.predict import accuracy

        params = self.slicing
        model, task = context.model("pull"), context.task()
        gates_on, whole, reach = _gates(params, model, context.open("export", NeuronMap))
        if reach is not None:
            check_reach(params, reach)
            if params.retention is None and reach.floor >= MUCH:
                tell_floor(reach)
        known = None if self.known is None else self.known.behind(model.labels, task.labels)
        start_classifier(model, task.labels, self.seed, known)
        layout = training_layout(model.module, context.device)
        model.module.to(context.device, memory_format=layout)  # type: ignore[call-overload]
        order = EpochBatches(len(task.train), params.batch_size, self.seed)
        samples = TrainingSamples(task.train, model.modality, self.train, self.seed)
        loader = loader_of(samples, order, self.train, context.device)

        def batches(epoch: int) -> Iterator[tuple[Encoded, Tensor]]:
            order.epoch = epoch
            return iter(loader)

        masks, history = search(
            model,
            gates_on(model),
            params,
            batches=batches,
            validate=lambda: accuracy(model, task.validation, device=context.device),
            steps=order.steps,
            seed=self.seed,
            checkpoint=context.scratch / "search.safetensors",
            reporter=context.reporter,
            bf16=self.train.bf16(context.device.type),
        )
        ended = reach is not None and history.result.retention <= reach.floor + NEAR
        if reach is not None and ended and params.retention is None and reach.floor < MUCH:
            tell_floor(reach)
        Slice(masks, params.method, params.model_dump(mode="json"), whole).save(context.out / SLICE)
        history.save(context.out / SEARCH)


def _gates(
    params: SeamParams, model: Model, neurons: NeuronMap
) -> tuple[Callable[[Model], Gates], dict[str, str], Reach | None]:
    """Choose what gets a gate; returns a function that installs the gates on the model on its device.

    For channel gates also the layers without one, with the reason, and the minimum that can be kept.
    """
    from hubslice.graph.channels import channel_map
    from hubslice.graph.uses import count_uses
    from hubslice.slicing.candidates import candidates
    from hubslice.slicing.cutting import eligible, left_whole
    from hubslice.slicing.gates import ChannelGates, WeightGates
    from hubslice.slicing.reach import reach_of
    from hubslice.slicing.registry import kinds_of

    by_rank = params.start == "magnitude"
    if params.granularity == "channel":
        channels = channel_map(model)
        groups = eligible(channels, kinds_of(neurons), params.layers)
        whole = left_whole(channels, model.classifier_parameters())
        uses = count_uses(model, neurons) if params.count == "macs" else None
        head = model.classifier_parameters()
        shapes = {name: tuple(each.shape) for name, each in model.module.named_parameters() if name not in head}
        reach = reach_of(params, shapes, kinds_of(neurons), channels, uses)
        return (
            lambda placed: ChannelGates(
                placed.module, groups, placed.classifier_parameters(), by_rank=by_rank, align=params.align, uses=uses
            ),
            whole,
            reach,
        )
    weights = {name: tensor.detach().numpy() for name, tensor in model.module.named_parameters()}
    chosen = [c.name for c in candidates(weights, neurons, params.layers, model.classifier_parameters())]
    return lambda placed: WeightGates(placed.module, chosen, by_rank=by_rank), {}, None

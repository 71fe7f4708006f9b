"""Profile and slice steps: profile the teacher on the task, and slice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from hubslice.core.cost import Cost, Workload
from hubslice.engine.step import Context, Step
from hubslice.files.names import SLICE
from hubslice.recipe.schema import ProfileParams, SliceRecipe
from hubslice.recipe.slicing import ChannelSlicing
from hubslice.run.arms import Arm, suffix_of
from hubslice.run.steps.inputs import ModelInputs
from hubslice.run.steps.search import search_step
from hubslice.run.steps.slice import SliceStep
from hubslice.run.steps.teacher import GRAPH

if TYPE_CHECKING:
    from hubslice.artefacts.profile import Profile

PROFILE = "profile.safetensors"
DEFAULT_K = {"nc": 1, "tknc": 10, "snac": 2}  # defaults of the ReMoS code; nc has none


@dataclass(frozen=True, kw_only=True)
class ProfileStep(Step):
    """Count, for every neuron, the training samples on which it is active."""

    kind: ClassVar[str] = "profile"
    version: ClassVar[int] = 2

    profile: ProfileParams
    seed: int

    @property
    def title(self) -> str:
        return "Profile neuron coverage"

    @property
    def inputs(self) -> tuple[str, ...]:
        return "pull", "data", "export"

    def cost(self, work: Workload) -> Cost:
        units = work.units
        each = work.count("train", self.profile.samples) * units.profiling
        return Cost(units.loading + units.profiling_start + each, units.sizes[self.kind])

    def run(self, context: Context) -> None:
        from hubslice.artefacts.profile import Criterion
        from hubslice.graph.neuron_map import NeuronMap
        from hubslice.profiling.coverage import profile

        params = self.profile
        model, task = context.model("pull"), context.task()
        train = task.train
        if params.samples is not None:
            train = train.take(params.samples, self.seed)
        done = 0
        with context.reporter.track("Profiling", len(train), "sample") as bar:

            def progress(now: int, _: int) -> None:
                nonlocal done
                bar.advance(now - done)
                done = now

            counted = profile(
                context.inputs["export"] / GRAPH,
                context.open("export", NeuronMap),
                ModelInputs(train, model, task.report.fingerprint),
                Criterion(name=params.criterion, threshold=params.threshold, k=params.k or DEFAULT_K[params.criterion]),
                device=str(context.device),
                batch_size=params.batch_size,
                checkpoint=context.scratch / PROFILE,
                progress=progress,
            )
        counted.save(context.out / PROFILE)

    def open(self, folder: Path) -> Profile:
        """Return the counts."""
        from hubslice.artefacts.profile import Profile

        return Profile.load(folder / PROFILE)


def slice_step(recipe: SliceRecipe, arm: Arm) -> Step:
    """Make the arm's slice: searched for on the task's samples, or from the teacher's weights and what was counted."""
    assert arm.slicing is not None
    if arm.slicing.needs == "search":
        return search_step(recipe, arm)
    return RankStep(suffix=suffix_of(arm), arm=arm.title, slicing=arm.slicing, matched=arm.matched, seed=recipe.seed)


@dataclass(frozen=True, kw_only=True)
class RankStep(SliceStep):
    """Rank weights, or whole channels, and keep the share given by the method.

    A `matched` slice keeps as much as the student's.
    """

    version: ClassVar[int] = 3

    matched: bool
    seed: int

    @property
    def title(self) -> str:
        return f"Slice ({self.arm.lower()})"

    @property
    def inputs(self) -> tuple[str, ...]:
        counted = {"profile", "trace"} & {self.slicing.needs}
        return "pull", "export", *counted, *(("slice",) if self.matched else ())

    def run(self, context: Context) -> None:
        from hubslice.artefacts.contributions import Contributions
        from hubslice.artefacts.profile import Profile
        from hubslice.artefacts.slice import Slice
        from hubslice.graph.channels import channel_map
        from hubslice.graph.neuron_map import NeuronMap
        from hubslice.graph.uses import count_uses
        from hubslice.slicing.reach import check_reach, reach_of
        from hubslice.slicing.registry import kinds_of, make_channel_slice, make_slice

        params, model = self.slicing, context.model("pull")
        weights = {name: tensor.detach().numpy() for name, tensor in model.module.named_parameters()}
        neurons, head = context.open("export", NeuronMap), model.classifier_parameters()
        wanted = params
        uses = count_uses(model, neurons) if params.counts_macs else None
        if self.matched:
            student = context.open("slice", Slice)
            retention = student.retention if uses is None else student.kept_uses(uses)
            wanted = params.model_copy(update={"ratio": 1 - retention})
        known: Profile | Contributions | None = None
        if params.needs == "profile":
            known = context.open("profile", Profile)
        elif params.needs == "trace":
            known = context.open("trace", Contributions)
        if params.whole_channels:
            channels = channel_map(model)
            if not self.matched:  # those keep what the student could keep
                shapes = {name: weight.shape for name, weight in weights.items() if name not in head}
                check_reach(params, reach_of(cast(ChannelSlicing, params), shapes, kinds_of(neurons), channels, uses))
            made = make_channel_slice(wanted, weights, neurons, channels, head, self.seed, uses, known)
        else:
            made = make_slice(wanted, weights, neurons, known, head, self.seed)
        made.save(context.out / SLICE)

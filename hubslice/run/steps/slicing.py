"""Profiling the teacher on the task, and slicing it."""

from __future__ import annotations

from pathlib import Path

from hubslice.engine.step import Context, Step
from hubslice.files.names import SLICE
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.slicing import ChannelSlicing, NnslicerParams, NoSlice, RemosParams, SeamParams, Slicing
from hubslice.run.arms import Arm, step_name
from hubslice.run.steps.data import same_task
from hubslice.run.steps.inputs import ModelInputs
from hubslice.run.steps.search import search_step
from hubslice.run.steps.teacher import GRAPH, NEURONS, WEIGHTS_FOLDER
from hubslice.run.steps.tracing import CONTRIBUTIONS

PROFILE = "profile.safetensors"
DEFAULT_K = {"nc": 1, "tknc": 10, "snac": 2}  # those of the ReMoS code; nc has none


def profile_step(recipe: SliceRecipe, base: Path) -> Step:
    """Count, for every neuron, the training samples on which it is active."""

    def run(context: Context) -> None:
        from hubslice.artefacts.profile import Criterion
        from hubslice.graph.neuron_map import NeuronMap
        from hubslice.models.folder import load_model
        from hubslice.profiling.coverage import profile

        params = recipe.profile
        model = load_model(context.inputs["pull"] / WEIGHTS_FOLDER, input_size=recipe.teacher.input_size)
        task = same_task(recipe.data, base, recipe.seed, context.inputs["data"])
        train = task.train
        if params.samples is not None:
            train = train.take(params.samples, recipe.seed)
        export = context.inputs["export"]
        done = 0
        with context.reporter.track("Profiling", len(train), "picture") as bar:

            def progress(now: int, _: int) -> None:
                nonlocal done
                bar.advance(now - done)
                done = now

            counted = profile(
                export / GRAPH,
                NeuronMap.load(export / NEURONS),
                ModelInputs(train, model, task.report.fingerprint),
                Criterion(name=params.criterion, threshold=params.threshold, k=params.k or DEFAULT_K[params.criterion]),
                device=str(context.device),
                batch_size=params.batch_size,
                checkpoint=context.scratch / PROFILE,
                progress=progress,
            )
        counted.save(context.out / PROFILE)

    parameters = {"profile": recipe.profile, "seed": recipe.seed, "size": recipe.teacher.input_size}
    return Step("profile", "Profile neuron coverage", parameters, ("pull", "data", "export"), run)


def slice_step(recipe: SliceRecipe, arm: Arm, base: Path) -> Step:
    """Make the arm's slice: searched for on the task's pictures, or from the teacher's weights and what was counted."""
    if isinstance(arm.slicing, SeamParams):
        return search_step(recipe, arm, arm.slicing, base)
    assert arm.slicing is not None
    return _ranking_step(recipe, arm, arm.slicing)


def _ranking_step(recipe: SliceRecipe, arm: Arm, params: Slicing | NoSlice) -> Step:
    profiled, traced = isinstance(params, RemosParams), isinstance(params, NnslicerParams)
    whole_channels = isinstance(params, ChannelSlicing) and params.granularity == "channel"

    def run(context: Context) -> None:
        from hubslice.artefacts.contributions import Contributions
        from hubslice.artefacts.profile import Profile
        from hubslice.artefacts.slice import Slice
        from hubslice.graph.channels import channel_map
        from hubslice.graph.neuron_map import NeuronMap
        from hubslice.graph.uses import count_uses
        from hubslice.models.folder import load_model
        from hubslice.slicing.reach import check_reach, reach_of
        from hubslice.slicing.registry import kinds_of, make_channel_slice, make_slice

        model = load_model(context.inputs["pull"] / WEIGHTS_FOLDER, input_size=recipe.teacher.input_size)
        weights = {name: tensor.detach().numpy() for name, tensor in model.module.named_parameters()}
        neurons, head = NeuronMap.load(context.inputs["export"] / NEURONS), model.classifier_parameters()
        wanted = params
        uses = count_uses(model, neurons) if isinstance(params, ChannelSlicing) and params.count == "macs" else None
        if arm.matched:
            student = Slice.load(context.inputs["slice"] / SLICE)
            retention = student.retention if uses is None else student.kept_uses(uses)
            wanted = params.model_copy(update={"ratio": 1 - retention})
        known: Profile | Contributions | None = None
        if profiled:
            known = Profile.load(context.inputs["profile"] / PROFILE)
        elif traced:
            known = Contributions.load(context.inputs["trace"] / CONTRIBUTIONS)
        if whole_channels:
            channels = channel_map(model)
            if isinstance(params, ChannelSlicing) and not arm.matched:  # those keep what the student could keep
                shapes = {name: weight.shape for name, weight in weights.items() if name not in head}
                check_reach(params, reach_of(params, shapes, kinds_of(neurons), channels, uses))
            made = make_channel_slice(wanted, weights, neurons, channels, head, recipe.seed, uses, known)
        else:
            made = make_slice(wanted, weights, neurons, known, head, recipe.seed)
        made.save(context.out / SLICE)

    counted = ("profile",) if profiled else ("trace",) if traced else ()
    inputs = ("pull", "export", *counted, *(("slice",) if arm.matched else ()))
    title, parameters = f"Slice ({arm.title.lower()})", {"slice": params, "seed": recipe.seed}
    return Step(step_name("slice", arm), title, parameters, inputs, run, version=2 if whole_channels else 1)

"""Profiling the teacher on the task, and slicing it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubslice.artefacts.names import SLICE
from hubslice.pipeline.arms import Arm, step_name
from hubslice.pipeline.step import Context, Step
from hubslice.pipeline.steps.data import same_task
from hubslice.pipeline.steps.search import search_step
from hubslice.pipeline.steps.teacher import GRAPH, NEURONS, WEIGHTS_FOLDER
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.slicing import ChannelSlicing, NoSlice, RemosParams, SeamParams, Slicing

if TYPE_CHECKING:
    from hubslice.data.task import Split
    from hubslice.models.base import Model

PROFILE = "profile.safetensors"
DEFAULT_K = {"nc": 1, "tknc": 10, "snac": 2}  # those of the ReMoS code; nc has none


class ModelInputs:
    """A split as the teacher's graph takes it: normalised pixels, batch by batch. `task` is the task's fingerprint."""

    def __init__(self, split: Split, model: Model, task: str) -> None:
        self.split, self.model, self.task = split, model, task

    def __len__(self) -> int:
        return len(self.split)

    @property
    def fingerprint(self) -> str:
        """Identity of the samples, their order and their preparation."""
        about = [self.task, self.split.rows.tolist(), str(self.model.preprocessing)]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def batch(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Samples `start` to `stop`: float32 [stop - start, 3, H, W] under the graph's input name."""
        from hubslice.data.pixels import to_unit

        pixels = self.split.pixels(start, stop, self.model.image_preprocessing)
        return {"pixel_values": self.model.pixels_to_inputs(to_unit(pixels)).numpy()}


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
    """Make the arm's slice: searched for on the task's pictures, or from the teacher's weights and the profile."""
    if isinstance(arm.slicing, SeamParams):
        return search_step(recipe, arm, arm.slicing, base)
    assert arm.slicing is not None
    return _ranking_step(recipe, arm, arm.slicing)


def _ranking_step(recipe: SliceRecipe, arm: Arm, params: Slicing | NoSlice) -> Step:
    profiled = isinstance(params, RemosParams)
    whole_channels = isinstance(params, ChannelSlicing) and params.granularity == "channel"

    def run(context: Context) -> None:
        from hubslice.artefacts.profile import Profile
        from hubslice.artefacts.slice import Slice
        from hubslice.graph.channels import channel_map
        from hubslice.graph.neuron_map import NeuronMap
        from hubslice.graph.uses import count_uses
        from hubslice.models.folder import load_model
        from hubslice.slicing.registry import make_channel_slice, make_slice

        model = load_model(context.inputs["pull"] / WEIGHTS_FOLDER, input_size=recipe.teacher.input_size)
        weights = {name: tensor.detach().numpy() for name, tensor in model.module.named_parameters()}
        neurons, head = NeuronMap.load(context.inputs["export"] / NEURONS), model.classifier_parameters()
        wanted = params
        uses = count_uses(model, neurons) if isinstance(params, ChannelSlicing) and params.count == "macs" else None
        if arm.matched:
            student = Slice.load(context.inputs["slice"] / SLICE)
            retention = student.retention if uses is None else student.kept_uses(uses)
            wanted = params.model_copy(update={"ratio": 1 - retention})
        if whole_channels:
            made = make_channel_slice(wanted, weights, neurons, channel_map(model), head, recipe.seed, uses)
        else:
            profile = Profile.load(context.inputs["profile"] / PROFILE) if profiled else None
            made = make_slice(wanted, weights, neurons, profile, head, recipe.seed)
        made.save(context.out / SLICE)

    inputs = ("pull", "export", *(("profile",) if profiled else ()), *(("slice",) if arm.matched else ()))
    title, parameters = f"Slice ({arm.title.lower()})", {"slice": params, "seed": recipe.seed}
    return Step(step_name("slice", arm), title, parameters, inputs, run, version=2 if whole_channels else 1)

"""A micro benchmark: run each kind of step once, on few images and with random weights, to measure its cost.

It executes the steps' own code, on a few of the task's images, in the order of the run: first uses and imports, caches
and the allocator's behaviour cost the same as in the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

import torch

from hubslice.core.cost import UnitCosts
from hubslice.core.memory import peak_memory
from hubslice.core.progress import Reporter, stage
from hubslice.engine.step import digest_folder
from hubslice.files.names import SLICE
from hubslice.models.from_architecture import LABELS
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.slicing import ChannelSlicing, MagnitudeParams, Traced
from hubslice.run.arms import known_labels
from hubslice.run.estimate.measuring import Stopwatch, rss, size_of, timed
from hubslice.run.estimate.preflight import Layers, layers_of, try_export
from hubslice.run.steps.inputs import ModelInputs
from hubslice.run.steps.slicing import DEFAULT_K, PROFILE
from hubslice.run.steps.teacher import GRAPH, WEIGHTS_FOLDER

if TYPE_CHECKING:
    from hubslice.artefacts.contributions import Contributions
    from hubslice.artefacts.profile import Profile
    from hubslice.graph.neuron_map import NeuronMap
    from hubslice.models.base import Model
    from hubslice.slicing.registry import Known
    from hubslice.task.task import Split, Task

Result = TypeVar("Result")

BUDGET: Final = 2.0  # maximum seconds of one batch; larger ones are measured with fewer images
EVALUATED: Final = 64  # images of an evaluation batch
TRACED: Final = 4  # images that are traced
TRAINING: Final = 4.0  # time of training on an image, in forward passes: only for choosing the measured batch size


@dataclass
class Costs(UnitCosts):
    """The unit costs, with peak memory and sliceable layers.

    `peaks` in bytes by kind of step: of this process, including what was allocated before.
    """

    peaks: dict[str, float] = field(default_factory=dict)
    gpu_bytes: float | None = None
    layers: Layers | None = None


class MicroBenchmark:
    """One measurement; `run` executes the requested kinds of steps."""

    def __init__(self, recipe: SliceRecipe, device: torch.device, folder: Path, reporter: Reporter) -> None:
        self.recipe, self.device, self.folder, self.reporter = recipe, device, folder, reporter
        self.costs = Costs()

    def run(self, configs: Path, kinds: Collection[str], task: Task | None) -> Costs:
        """Measure the cost of the kinds of steps for the architecture whose configs are in a folder.

        Raises:
            HubsliceError: what the steps would raise, such as an export that fails or layers that do not exist.
        """
        from hubslice.models.folder import load_model, random_model

        size = self.recipe.teacher.input_size
        with self._stage("pull", "Build the architecture with random weights"):
            random, self.costs.building = timed(lambda: random_model(configs, input_size=size))
            self._check(random, kinds, task)
            if random.headless:  # stock code saves and loads it with a classifier only
                random.reset_classifier(task.labels if task else LABELS, self.recipe.seed)
            saved = self.folder / WEIGHTS_FOLDER
            self._keep("pull", saved, lambda: random.save(saved))
            load_model(saved, input_size=size)  # the first time is slower, and part of the inspection time
            model, self.costs.loading = timed(lambda: load_model(saved, input_size=size))
        if {"export", "profile", "trace", "slice"} & set(kinds):
            with self._stage("export", "Export it"):
                graph = self.folder / "export"
                graph.mkdir()
                neurons, self.costs.exporting = timed(lambda: try_export(model, graph, self.recipe.seed))
                self.costs.sizes["export"] = size_of(graph) + len(neurons.model_dump_json(indent=2))
                self.costs.layers = layers_of(neurons, model)
        if task is None:
            return self.costs
        few = self._forward(model, task)
        searched = "slice" in kinds and self.recipe.slice.needs == "search"
        counted: Known = None
        if self.recipe.slice.needs == "profile" and {"profile", "slice"} & set(kinds):
            counted = self._profile(model, neurons, few, task)
        if self.recipe.slice.needs == "trace" and {"trace", "slice"} & set(kinds):
            counted = self._trace(model, neurons, task)
        if "slice" in kinds:
            self._slice(model, neurons, counted)
        if searched or {"init", "train"} & set(kinds):
            self._train(model, task)
        if "audit" in kinds and any(defect.crafted for defect in self.recipe.audit.defects):
            self._craft(model, task)
        return self.costs

    def _check(self, model: Model, kinds: Collection[str], task: Task | None) -> None:
        """Raise what the steps would raise about the teacher's classifier or its absence."""
        from hubslice.training.initial import known_columns

        model.check_sliceable()
        if "trace" in kinds:
            model.check_answers()
        if task is not None and {"init", "train", "slice"} & set(kinds):
            known = known_labels(self.recipe)
            known_columns(model, known.behind(model.labels, task.labels) if known is not None else ())

    def _forward(self, model: Model, task: Task) -> int:
        """Measure decoding and the forward pass; returns how many images fit the budget."""
        from hubslice.training.predict import predict

        with self._stage("evaluate", "Evaluate a batch"):
            predict(model, task.validation.take(4, 0), device=self.device)  # warm-up
            _, seconds = timed(lambda: predict(model, task.validation.take(4, 0), device=self.device))
            few = max(4, min(EVALUATED, int(4 * BUDGET / seconds)))
            split = task.validation.take(few, 0)
            predict(model, split, device=self.device)  # the first batch of a size allocates memory
            _, whole = timed(lambda: predict(model, split, device=self.device))
            _, decoding = timed(lambda: split.encoded(0, len(split), model.modality))
        self.costs.decoding = decoding / len(split)
        self.costs.passing = max(whole - decoding, 0.0) / len(split)
        model.module.to("cpu")
        return few

    def _profile(self, model: Model, neurons: NeuronMap, few: int, task: Task) -> Profile:
        from hubslice.artefacts.profile import Criterion
        from hubslice.profiling.coverage import profile

        params = self.recipe.profile
        batch = min(params.batch_size, few)
        times: list[float] = []
        split = task.train.take(3 * batch, 0)
        with self._stage("profile", "Profile a batch", batch, params.batch_size):
            started = time.monotonic()
            counted = profile(
                self.folder / "export" / GRAPH,
                neurons,
                ModelInputs(split, model, "micro benchmark"),
                Criterion(name=params.criterion, threshold=params.threshold, k=params.k or DEFAULT_K[params.criterion]),
                device=str(self.device),
                batch_size=batch,
                progress=lambda _, __: times.append(time.monotonic()),
            )
        whole = times[-1] - started
        self.costs.profiling = (times[-1] - times[0]) / (len(split) - batch) if len(times) > 1 else whole / len(split)
        self.costs.profiling_start = max(whole - self.costs.profiling * len(split), 0.0)
        counted.save(self.folder / "profile" / PROFILE)
        self.costs.sizes["profile"] = size_of(self.folder / "profile")
        return counted

    def _trace(self, model: Model, neurons: NeuronMap, task: Task) -> Contributions:
        """Trace images back, one of them first without timing: kernels are compiled once per machine."""
        from hubslice.run.steps.tracing import CONTRIBUTIONS, contributions

        params = cast(Traced, self.recipe.slice)
        times: list[float] = []

        def traced(samples: int) -> Contributions:
            return contributions(
                model,
                self.folder / "export" / GRAPH,
                neurons,
                task.train.take(samples, 0),
                params,
                known=None,
                device=str(self.device),
                progress=lambda _: times.append(time.monotonic()),
            )

        with self._stage("trace", "Trace images back"):
            traced(1)
            times.clear()
            counted, whole = timed(lambda: traced(TRACED))
        self.costs.tracing = (times[-1] - times[0]) / max(1, len(times) - 1)
        self.costs.tracing_start = max(whole - self.costs.tracing * TRACED, 0.0)
        counted.save(self.folder / "trace" / CONTRIBUTIONS)
        self.costs.sizes["trace"] = size_of(self.folder / "trace")
        return counted

    def _slice(self, model: Model, neurons: NeuronMap, counted: Known) -> None:
        """Make a slice; a searched one is replaced by one of the same layers: the search itself counts as training."""
        from hubslice.graph.channels import channel_map
        from hubslice.graph.uses import count_uses
        from hubslice.slicing.reach import check_reach, reach_of
        from hubslice.slicing.registry import kinds_of, make_slice

        given = self.recipe.slice
        searched = given.needs == "search"
        params = MagnitudeParams(method="magnitude", layers=getattr(given, "layers", ())) if searched else given
        weights = {name: tensor.detach().numpy() for name, tensor in model.module.named_parameters()}
        head = model.classifier_parameters()
        if given.whole_channels:
            shapes = {name: weight.shape for name, weight in weights.items() if name not in head}
            uses = count_uses(model, neurons) if given.counts_macs else None
            check_reach(
                given, reach_of(cast(ChannelSlicing, given), shapes, kinds_of(neurons), channel_map(model), uses)
            )
        with self._stage("slice", "Make a slice"):
            made, self.costs.slicing = timed(
                lambda: make_slice(params, weights, neurons, counted, head, self.recipe.seed)
            )
        made.save(self.folder / "slice" / SLICE)
        self.costs.sizes["slice"] = size_of(self.folder / "slice")

    def _train(self, model: Model, task: Task) -> None:
        """Run three steps of training with the recipe's batch, or with as many images as the budget allows."""
        from hubslice.training.batches import EpochBatches
        from hubslice.training.initial import initialise
        from hubslice.training.single import check_batches

        params = self.recipe.train.candidates()[0]
        check_batches(model, params, EpochBatches(len(task.train), params.batch_size, self.recipe.seed))
        wanted = min(params.batch_size, len(task.train))
        batch = max(2, min(wanted, int(BUDGET / (TRAINING * self.costs.passing + self.costs.decoding))))
        few = task.validation.take(4, 0)
        with self._stage("train", "Train a batch", batch, wanted):
            initialise(model, task.labels, self.recipe.seed, None, "zero")
            cold = self._finetune(model, task.train.take(2, 0), few, 2, "cold")
            watch = self._finetune(model, task.train.take(3 * batch, 0), few, batch, "warm")
        model.module.to("cpu")
        between = watch.between
        each = sum(between) / len(between) if between else watch.first
        self.costs.training = each / batch
        self.costs.training_start = max(watch.first - each, 0.0)
        self.costs.first_training = max(cold.first - watch.first, 0.0)
        self.costs.checkpoint = watch.last
        self.costs.sizes["checkpoint"] = (self.folder / "warm").stat().st_size
        student = self.folder / "student"
        self._keep("train", student, lambda: model.save(student))

    def _finetune(self, model: Model, train: Split, validation: Split, batch: int, name: str) -> Stopwatch:
        from hubslice.training.loop import finetune

        params = self.recipe.train.candidates()[0]
        watch = Stopwatch()
        finetune(
            model,
            train,
            validation,
            params.model_copy(update={"batch_size": batch, "epochs": 1, "patience": None}),
            seed=self.recipe.seed,
            device=self.device,
            checkpoint=self.folder / name,
            reporter=watch,
            label="Measure",
        )
        watch.stop()
        return watch

    def _craft(self, model: Model, task: Task) -> None:
        from hubslice.defects.attack import Batch
        from hubslice.defects.inference import placed
        from hubslice.defects.penultimate import adversarial
        from hubslice.modality.image.images import PIXELS, Images

        wanted = min(self.recipe.audit.batch_size, len(task.test))
        count = max(1, min(wanted, int(BUDGET / (TRAINING * self.costs.passing + 1e-9))))
        pixels = task.validation.take(count, 0).encoded(0, count, Images(model.image_preprocessing))[PIXELS]
        batch = Batch(pixels.to(self.device), tuple(range(len(pixels))), self.recipe.seed)
        with self._stage("audit", "Attack a batch", count, wanted), placed(model, self.device):
            adversarial(model, batch, objective="guided", eps=8, steps=1)
            _, seconds = timed(lambda: adversarial(model, batch, objective="guided", eps=8, steps=2))
        self.costs.crafting = seconds / (2 * len(pixels))

    def _keep(self, kind: str, folder: Path, save: Callable[[], None]) -> None:
        """Save like a step, and record the size and the time per byte."""

        def keep() -> int:
            save()
            return digest_folder(folder, leave_out=set())[1]

        size, seconds = timed(keep)
        self.costs.sizes[kind] = size
        self.costs.keeping = seconds / size

    @contextmanager
    def _stage(self, kind: str, title: str, used: int = 1, wanted: int = 1) -> Iterator[None]:
        """Report what is measured, and record the peak memory, scaled from the used to the wanted batch size."""
        title = f"Measure: {title[0].lower()}{title[1:]}"
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        before = rss()
        with stage(self.reporter, kind, title), peak_memory() as peak:
            yield
        self.costs.peaks[kind] = before + max(peak[0] - before, 0) * wanted / used
        if self.device.type == "cuda":
            taken = torch.cuda.max_memory_reserved(self.device) * wanted / used
            self.costs.gpu_bytes = max(self.costs.gpu_bytes or 0.0, taken)

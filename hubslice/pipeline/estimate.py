"""What a run would cost, before it is run: a timed batch of the same architecture with random weights."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from hubslice.artefacts.base import Artefact
from hubslice.device import resolve_device
from hubslice.pipeline.arms import arms_of
from hubslice.pipeline.execute import cached
from hubslice.pipeline.run import Run
from hubslice.pipeline.step import Step
from hubslice.pipeline.steps.audit import audit_names
from hubslice.pipeline.steps.data import open_task
from hubslice.progress import Reporter
from hubslice.recipe.defects import PenultimateParams
from hubslice.recipe.schema import SliceRecipe

if TYPE_CHECKING:
    import torch

    from hubslice.models.base import Model

TIMED_BATCH = 16  # pictures, at most: enough to fill the cores, quick to run
PROFILING = 1.5  # time of counting coverage, in plain forward passes of the same graph


class StepEstimate(Artefact):
    """A step: seconds it would take (None: cannot be told beforehand), bytes that it has written or would fetch."""

    name: str
    title: str
    cached: bool
    seconds: float | None
    bytes: int | None


class Estimate(Artefact):
    """All steps, and the whole: seconds still to go and the largest memory in MiB."""

    steps: tuple[StepEstimate, ...]
    seconds: float
    peak_mib: float
    device: str

    @property
    def summary(self) -> str:
        """The whole in words."""
        todo = sum(not step.cached for step in self.steps)
        cost = f"about {self.seconds / 60:.1f} min and {self.peak_mib:.0f} MiB on {self.device}"
        return f"{todo} of {len(self.steps)} steps to do, {cost}"


@dataclass(frozen=True)
class _Speed:
    """Seconds a picture, prepared and passed forward or trained on, and the largest memory in MiB."""

    forward: float
    train: float
    peak_mib: float


def estimate(run: Run, until: str | None, device: str, reporter: Reporter) -> Estimate:
    """Time and memory of the steps that are still to do. The run folder is not touched.

    The teacher's configuration is fetched, not its weights; a Hub data set is opened, which fetches it into the cache.

    Raises:
        RecipeError: the recipe has mistakes.
        DataError: the data does not fit it.
        FetchError: the teacher's configuration or Hub data cannot be fetched.
    """
    steps = run.steps(until)
    done = cached(steps, run.folder)
    where = resolve_device(device)
    weights, speed = 0, _Speed(0.0, 0.0, 0.0)
    if not all(done.values()):
        with reporter.track("Timing a batch", None, "batch"):
            weights, speed = _measure(run, where)
    counts = _seconds(run.recipe, run.loaded.base, speed) if not all(done.values()) else {}
    found = []
    for step in steps:
        record = run.folder.record(step.name)
        size = record.size if record and done[step.name] else weights if step.kind == "pull" else None
        seconds = 0.0 if done[step.name] else _of(step, counts)
        found.append(
            StepEstimate(name=step.name, title=step.title, cached=done[step.name], seconds=seconds, bytes=size)
        )
    return Estimate(
        steps=tuple(found),
        seconds=sum(step.seconds or 0.0 for step in found),
        peak_mib=speed.peak_mib,
        device=str(where),
    )


def _of(step: Step, counts: dict[str, float]) -> float | None:
    return counts.get(step.name, counts.get(step.kind))


def _seconds(recipe: SliceRecipe, base: Path, speed: _Speed) -> dict[str, float]:
    """Seconds by step name or kind."""
    task = open_task(recipe.data, base, recipe.seed)
    train, validation, test = len(task.train), len(task.validation), len(task.test)
    training = sum(
        candidate.epochs * (train * speed.train + validation * speed.forward) for candidate in recipe.train.candidates()
    )
    arms = len(arms_of(recipe))
    audited = min(test, recipe.audit.samples or test)
    found = {
        "profile": min(train, recipe.profile.samples or train) * speed.forward * PROFILING,
        "train": training,
        "evaluate": arms * (validation + test) * speed.forward,
    }
    for name, defect in zip(audit_names(recipe), recipe.audit.defects, strict=True):
        judged = 2 * arms * audited * speed.forward
        if isinstance(defect, PenultimateParams):
            variants = len(defect.objectives) * len(defect.eps)
            # From the teacher and from an unrelated network, each step a forward and a backward pass.
            judged = variants * audited * (2 * defect.steps * speed.train + 3 * arms * speed.forward)
        found[name] = judged
    return found


def _measure(run: Run, device: torch.device) -> tuple[int, _Speed]:
    """Bytes of the teacher's weights, and the speed of its architecture on pictures of the task."""
    import torch

    from hubslice.data.pixels import to_unit
    from hubslice.hub.pull import preview
    from hubslice.hub.ref import parse_ref
    from hubslice.models.folder import random_model

    recipe = run.recipe
    with tempfile.TemporaryDirectory() as folder:
        weights = preview(parse_ref(recipe.teacher.model, run.loaded.base), Path(folder))
        model = random_model(Path(folder), input_size=recipe.teacher.input_size)
    train = open_task(recipe.data, run.loaded.base, recipe.seed).train
    batch = min(TIMED_BATCH, len(train))
    started = time.monotonic()
    pixels = train.pixels(0, batch, model.image_preprocessing)
    loading = (time.monotonic() - started) / batch
    model.module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs = to_unit(pixels).to(device, memory_format=torch.channels_last)
    before = psutil.Process().memory_info().rss
    backward = _fastest(lambda: _train_once(model, inputs)) / batch
    with torch.inference_mode():
        forward = _fastest(lambda: model.logits(inputs)) / batch
    after = psutil.Process().memory_info().rss
    # Activations grow with the batch; weights, gradients and momentum do not.
    grown = (after - before) * recipe.train.batch_size / batch + 4 * weights
    return weights, _Speed(loading + forward, loading + backward, (before + grown) / 2**20)


def _train_once(model: Model, pixels: torch.Tensor) -> None:
    model.module.train()
    model.logits(pixels).sum().backward()
    model.module.zero_grad()
    model.module.eval()


def _fastest(work: Callable[[], object]) -> float:
    """Seconds of the faster of two runs, after one that warms up."""
    import torch

    seconds = []
    for _ in range(3):
        started = time.monotonic()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.monotonic() - started)
    return min(seconds[1:])

"""Estimate the cost of a run before it starts and before its teacher's weights are fetched."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from hubslice.card.hub_rules import license_doubts
from hubslice.core.artefact import Artefact
from hubslice.core.cost import Cost
from hubslice.core.device import resolve_device
from hubslice.core.progress import Reporter, stage
from hubslice.engine.execution import cached
from hubslice.engine.step import Step
from hubslice.hub.default import default_hub
from hubslice.hub.ref import LocalRef, parse_ref
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.estimate.costs import workload
from hubslice.run.estimate.disk_space import DiskNeed, disk_needs, linked
from hubslice.run.estimate.preflight import Layers, TeacherPreview, look, memory_lacks
from hubslice.run.plan import models_of
from hubslice.run.run import Run
from hubslice.run.steps.data import open_task
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

if TYPE_CHECKING:
    from hubslice.run.estimate.micro_benchmark import Costs
    from hubslice.task.task import Task

WITHOUT_DATA = {"pull", "export"}


class StepEstimate(Artefact):
    """A step's estimated seconds, bytes in its folder afterwards, and the process's peak resident memory.

    For a finished step, `bytes` is the actual size, and nothing is left to do. None: it could not be measured.
    """

    name: str
    title: str
    cached: bool
    seconds: float | None
    bytes: int | None
    peak_mib: float | None


class Estimate(Artefact):
    """All steps, the teachers they start from, and the requirements of the whole run and what is available.

    `seconds` are those remaining. `peak_mib` is the peak resident memory, `available_mib` what is available now;
    `gpu_mib` and `gpu_free_mib` are the same for the GPU, None on the CPU. `teachers` are by the step that pulls them.
    For a run with nothing to do, all of this is zero or empty.
    """

    steps: tuple[StepEstimate, ...]
    teachers: dict[str, TeacherPreview]
    layers: Layers | None
    samples: dict[str, int]
    seconds: float
    download_bytes: int
    disks: tuple[DiskNeed, ...]
    peak_mib: float
    available_mib: float
    gpu_mib: float | None
    gpu_free_mib: float | None
    device: str
    warnings: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The whole estimate in words."""
        todo = sum(not step.cached for step in self.steps)
        cost = f"about {self.seconds / 60:.1f} min and {self.peak_mib:.0f} MiB of memory on {self.device}"
        return f"{todo} of {len(self.steps)} steps to do, {cost}"


def estimate(run: Run, until: str | None, device: str, reporter: Reporter, *, allow_pickle: bool = False) -> Estimate:
    """Estimate time, memory and disk space of the remaining steps. The run folder is not changed.

    Configs, cards and headers of the teachers are fetched, but not their weights; a Hub dataset is opened, which
    downloads it into the cache. Each kind of step is measured on a few images with random weights. `allow_pickle` is
    the consent that pulling a pickled teacher would require.

    Raises:
        RecipeError: the recipe has mistakes.
        DataError: the data does not match it.
        ModelError: a teacher's tensors do not match its architecture, or hubslice does not support it.
        ExportError: the architecture cannot be exported.
        SliceError: the layers that the recipe names do not exist.
        FetchError: configs, headers or Hub data cannot be fetched.
    """
    steps = run.steps(until)
    done = cached(steps, run.folder)
    todo = [step for step in steps if not done[step.name]]
    where = resolve_device(device)
    teachers: dict[str, TeacherPreview] = {}
    costs: Costs | None = None
    cost: dict[str, Cost] = {}
    task: Task | None = None
    warnings = license_doubts(None, run.recipe.card.license)
    with tempfile.TemporaryDirectory(prefix="hubslice-") as name:
        if todo:
            looking: dict[str, float] = {}
            teachers = _look(run, steps, done, Path(name), reporter, looking, allow_pickle)
            task = _open(run, todo, reporter, looking)
            lacks = memory_lacks(teachers["pull"].parameters, max(step.weight_copies for step in todo))
            if lacks is None:
                from hubslice.run.estimate.micro_benchmark import MicroBenchmark

                folder = Path(name, "measured")
                kinds = {step.kind for step in todo}
                costs = MicroBenchmark(run.recipe, where, folder, reporter).run(Path(name, "pull"), kinds, task)
                work = workload(costs, teachers, task, looking)
                cost = {step.name: step.cost(work) for step in todo}
            else:
                warnings.append(f"{lacks}: time was not estimated")
    peaks = _peaks(todo, costs) if costs else {}
    download = _download(teachers, done)
    found = []
    for step in steps:
        record = run.folder.record(step.name) if done[step.name] else None
        own = cost.get(step.name)
        found.append(
            StepEstimate(
                name=step.name,
                title=step.title,
                cached=done[step.name],
                seconds=0.0 if record else own.seconds if own else None,
                bytes=record.size if record else own.kept if own else None,
                peak_mib=peaks.get(step.name),
            )
        )
    disks = _disks(run, teachers, cost, download)
    for teacher in dict.fromkeys(teachers[name].model for name in teachers):
        warnings += next(each.warnings for each in teachers.values() if each.model == teacher)
    warnings += [disk.warning for disk in disks if disk.warning]
    peak, available = max(peaks.values(), default=0.0), psutil.virtual_memory().available / 2**20
    held = psutil.Process().memory_info().rss / 2**20
    if peak > available + held:
        warnings.append(f"about {peak:.0f} MiB of memory are needed, {available + held:.0f} MiB are available")
    gpu, free = _gpu(costs)
    if gpu is not None and free is not None and gpu > free:
        warnings.append(f"about {gpu:.0f} MiB of GPU memory are needed, {free:.0f} MiB are free")
    return Estimate(
        steps=tuple(found),
        teachers=teachers,
        layers=costs.layers if costs else None,
        samples={name: task.report.samples[name] for name in task.report.samples} if task else {},
        seconds=sum(step.seconds or 0.0 for step in found),
        download_bytes=download,
        disks=disks,
        peak_mib=peak,
        available_mib=available + held,
        gpu_mib=gpu,
        gpu_free_mib=free,
        device=str(where),
        warnings=tuple(warnings),
    )


def _look(
    run: Run,
    steps: Sequence[Step],
    done: dict[str, bool],
    folder: Path,
    reporter: Reporter,
    looking: dict[str, float],
    allow_pickle: bool,
) -> dict[str, TeacherPreview]:
    """Inspect every model that the steps pull, by step; pulled models are inspected where they are."""
    recipe, found = run.recipe, {}
    for step, model in models_of(recipe).items():
        if not any(each.name == step for each in steps):
            continue
        place = str((run.folder.step(step) / WEIGHTS_FOLDER).absolute()) if done[step] else model
        made = step == "pull" and recipe.teacher.weights == "random"
        with _told(reporter, step, f"{'Make' if made else 'Read the headers of'} {model}", looking):
            if made and not done[step]:
                place = str(_made(recipe, folder / "made"))
            looked = look(place, run.loaded.base, recipe.teacher.input_size, folder / step, allow_pickle=allow_pickle)
        found[step] = looked.model_copy(update={"model": model, "random": made})
    return found


def _made(recipe: SliceRecipe, folder: Path) -> Path:
    from hubslice.models.from_architecture import create_model

    create_model(recipe.teacher, recipe.seed).save(folder)
    return folder


@contextmanager
def _told(reporter: Reporter, step: str, title: str, looking: dict[str, float]) -> Iterator[None]:
    """Report what is inspected, and record the seconds that it took."""
    started = time.monotonic()
    with stage(reporter, step, title):
        yield
    looking[step] = time.monotonic() - started


def _open(run: Run, todo: Sequence[Step], reporter: Reporter, looking: dict[str, float]) -> Task | None:
    """Open the task, if a step needs it."""
    if all(step.kind in WITHOUT_DATA for step in todo):
        return None
    open_task.cache_clear()
    with _told(reporter, "data", f"Open and split {run.recipe.data.path}", looking):
        return open_task(run.recipe.data, run.loaded.base, run.recipe.seed)


def _peaks(todo: Sequence[Step], costs: Costs) -> dict[str, float]:
    """Return the peak memory in MiB by step: measured on a small step of its kind, and never decreasing.

    A process rarely returns memory.
    """
    found, most = {}, 0.0
    for step in todo:
        most = max(most, costs.peaks.get(step.kind, 0.0) / 2**20)
        found[step.name] = most
    return found


def _download(teachers: dict[str, TeacherPreview], done: dict[str, bool]) -> int:
    """Return the bytes to be downloaded from the Hub; a model pulled by two steps counts once."""
    wanted = {each.model: each.download_bytes for step, each in teachers.items() if not done[step]}
    return sum(wanted.values())


def _disks(run: Run, teachers: dict[str, TeacherPreview], cost: dict[str, Cost], download: int) -> tuple[DiskNeed, ...]:
    """Return what is written to the run folder and the Hub's cache; files from the Hub are hard-linked if possible."""
    kept = 0
    for name, own in cost.items():
        teacher = teachers.get(name)
        if teacher is None:
            kept += own.kept
        elif teacher.pickles or teacher.random or _local(run, teacher) or not linked(_source(run, teacher), run.path):
            kept += teacher.bytes
    writes = [(run.path, kept + max((own.scratch for own in cost.values()), default=0))]
    if download:
        first = next(each for each in teachers.values() if each.download_bytes)
        writes.append((_source(run, first), download))
    return disk_needs(writes) if cost or download else ()


def _local(run: Run, teacher: TeacherPreview) -> bool:
    return isinstance(parse_ref(teacher.model, run.loaded.base), LocalRef)


def _source(run: Run, teacher: TeacherPreview) -> Path:
    """Return where a teacher's files are before the run has them: in the Hub's cache, or in a folder."""
    ref = parse_ref(teacher.model, run.loaded.base)
    return ref.path if isinstance(ref, LocalRef) else default_hub().cache(ref.repo_id)


def _gpu(costs: Costs | None) -> tuple[float | None, float | None]:
    """Return the GPU memory in MiB that is needed, and that is free; None on the CPU."""
    if costs is None or costs.gpu_bytes is None:
        return None, None
    import torch

    free = torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()
    return costs.gpu_bytes / 2**20, free / 2**20

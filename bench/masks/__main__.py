"""python -m bench.masks: an epoch of a mask search beside an epoch of fine-tuning, same network, images and batches.

Both are called as a run calls them, in turns within a round, on 384 training images of the drawings, decoding and
augmentation included; four images are validated on.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch

from hubslice.core.artefact import Artefact, write_atomically
from hubslice.core.progress import Silent
from hubslice.graph.channels import channel_map
from hubslice.models.base import Model
from hubslice.models.folder import load_model
from hubslice.recipe.load import load_recipe
from hubslice.recipe.schema import SliceRecipe, TrainParams
from hubslice.recipe.seam import SeamParams
from hubslice.run.steps.data import open_task
from hubslice.slicing.gates import ChannelGates, Gates, WeightGates
from hubslice.slicing.seam import search
from hubslice.task.task import Split
from hubslice.training.batches import EpochBatches, TrainingSamples, loader_of
from hubslice.training.initial import start_classifier
from hubslice.training.loop import finetune
from hubslice.training.predict import accuracy
from tests.demo.teacher import write_teacher

from ..machine import Machine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TEACHER = ROOT / "runs" / "bench" / "masks" / "teacher"
RESULTS = HERE / "results.json"
IMAGES, BATCH, SIZE, ROUNDS = 384, 64, 96, 5
CPU = torch.device("cpu")


class Results(Artefact):
    """Seconds of an epoch, round by round, by method."""

    machine: Machine
    seconds: dict[str, tuple[float, ...]]


def main() -> None:
    """Measure and render."""
    parser = argparse.ArgumentParser(prog="python -m bench.masks", description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    if not (TEACHER / "README.md").is_file():
        write_teacher(ROOT / ".assets", TEACHER)
    loaded = load_recipe("vision/drawings")
    assert isinstance(loaded.recipe, SliceRecipe)
    task = open_task(loaded.recipe.data, loaded.base, 0)
    train, few = task.train.take(IMAGES, 0), task.validation.take(4, 0)
    given = loaded.recipe.train
    # Each makes ready what a search does once, and gives what an epoch takes.
    methods: dict[str, Callable[[Model], Callable[[], None]]] = {
        "fine-tuning": lambda model: partial(_finetune, model, train, few, given),
        "gates of weights": lambda model: partial(_search, model, train, few, given, _weights(model)),
        "gates of channels": lambda model: partial(_search, model, train, few, given, _channels(model)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    names = list(methods)
    for turn in range(ROUNDS + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            model = load_model(TEACHER, input_size=SIZE)
            start_classifier(model, task.labels, 0)
            took = _timed(methods[name](model))
            if turn:  # the first round warms up
                seconds[name].append(took)
                print(f"round {turn}: {name} {took:.2f} s", flush=True)
    results = Results(machine=Machine.here(threads), seconds={name: tuple(took) for name, took in seconds.items()})
    results.save(RESULTS)
    write_atomically(HERE / "table.md", render(results))


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _finetune(model: Model, train: Split, few: Split, params: TrainParams) -> None:
    with tempfile.TemporaryDirectory() as folder:
        finetune(
            model,
            train,
            few,
            params.model_copy(update={"epochs": 1, "batch_size": BATCH}),
            seed=0,
            device=CPU,
            checkpoint=Path(folder, "checkpoint"),
            reporter=Silent(),
            label="",
        )


def _search(model: Model, train: Split, few: Split, params: TrainParams, gates: Gates) -> None:
    order = EpochBatches(len(train), BATCH, 0)
    samples = TrainingSamples(train, model.modality, params, 0)
    loader = loader_of(samples, order, params, CPU)
    with tempfile.TemporaryDirectory() as folder:
        search(
            model,
            gates,
            SeamParams(epochs=1, head_epochs=0, alpha=100.0, lr_mask=0.01),
            batches=lambda _: iter(loader),
            validate=lambda: accuracy(model, few, device=CPU),
            steps=order.steps,
            seed=0,
            checkpoint=Path(folder, "checkpoint"),
            reporter=Silent(),
        )


def _weights(model: Model) -> Gates:
    model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    own = model.classifier_parameters()
    names = [name for name, weight in model.module.named_parameters() if weight.ndim > 1 and name not in own]
    return WeightGates(model.module, names, by_rank=True)


def _channels(model: Model) -> Gates:
    groups = channel_map(model).groups
    model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ChannelGates(model.module, groups, model.classifier_parameters(), by_rank=True, align=16)


def render(results: Results) -> str:
    """The table."""
    plain = results.seconds["fine-tuning"]
    lines = [
        "# An epoch of a mask search beside an epoch of fine-tuning",
        "",
        f"EfficientNet-Lite0 at {SIZE} x {SIZE}, {IMAGES} images, batches of {BATCH}, decoding and augmentation "
        "included. In turns; the ratio is paired within a round. Medians over the rounds.",
        "",
        "| method | rounds | seconds an epoch | times fine-tuning |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, took in results.seconds.items():
        ratios = [mine / theirs for mine, theirs in zip(took, plain, strict=True)]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"| {name} | {len(took)} | {median(took):.1f} | {spread} |")
    lines += ["", f"`python -m bench.masks`; {results.machine.line}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

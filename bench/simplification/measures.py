"""What the methods know of each class: contributions, gradients, coverage, mean inputs; what takes long is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from hubslice.artefacts.profile import NC, Profile
from hubslice.graph.export import export_onnx
from hubslice.graph.folding import fold
from hubslice.graph.neuron_map import NeuronMap, map_neurons
from hubslice.models.base import Model
from hubslice.models.folder import load_model
from hubslice.profiling.coverage import profile
from hubslice.recipe.schema import DataParams
from hubslice.run.steps.inputs import ModelInputs
from hubslice.task.task import Split, load_task
from hubslice.tracing.engine import trace
from hubslice.tracing.means import take_means
from hubslice.tracing.names import Names
from hubslice.tracing.network import Network
from hubslice.tracing.selection import Selection
from hubslice.training.compensation import Compensation, LayerMeans

from ..reuse.data import LABELS

TRACED, TESTED = 50, 50  # training and test images of each class
RELEASED = 20  # of those that are traced, for the released rule: it takes ten times as long
SELECTIONS = {
    "nnslicer": Selection(),
    "released": Selection(rule="released"),
    "path": Selection(rule="path", theta=0.5),
    "uses": Selection(cancel=False),
    "strong": Selection(theta=0.5),  # chosen among 0.1, 0.3, 0.5, 0.8 on other training images, 15 traced
}


@dataclass(frozen=True)
class Measures:
    """Of a teacher, by class: `contributions[rule][parameter]` [10, ...], `coverage[tensor]` [10, C], `means`.

    `gradients[parameter]` [10, ...] are squared gradients of the loss by each weight's gate, summed over images.
    `tests` are normalised images [10, TESTED, C, H, W].
    """

    model: Model
    neurons: NeuronMap
    contributions: Mapping[str, Mapping[str, np.ndarray]]
    gradients: Mapping[str, np.ndarray]
    coverage: Mapping[str, np.ndarray]
    means: Sequence[Compensation]
    tests: Tensor

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The teacher's parameters."""
        return {name: tensor.detach().numpy().copy() for name, tensor in self.model.module.named_parameters()}

    def profile(self, classes: Sequence[int]) -> Profile:
        """Coverage on the classes' training images."""
        counts = {name: found[list(classes)].sum(0) for name, found in self.coverage.items()}
        return Profile(counts, TRACED * len(classes), NC, "", "", "")

    def compensation(self, classes: Sequence[int]) -> Compensation:
        """Mean inputs of all layers on the classes' training images."""
        found = {}
        for name, first in self.means[0].layers.items():
            parts = [self.means[label].layers[name] for label in classes]
            total = torch.stack([part.total for part in parts if part.total is not None]).sum(0)
            found[name] = LayerMeans(total, sum(part.rows for part in parts), first.norm)
        return Compensation(found)


def fashion(images: Path) -> tuple[Split, Split]:
    """Training and test split of Fashion-MNIST."""
    given = {"path": str(images), "splits": {"train": "train", "validation": 0.02, "test": "test"}}
    task = load_task(DataParams.model_validate(given), Path(), 0)
    return task.train, task.test


def of_class(split: Split, label: int, count: int) -> Split:
    """The first `count` images of a class."""
    return split.at(np.flatnonzero(split.targets == label)[:count])


def measure(folder: Path, input_size: int, images: Path, cache: Path) -> Measures:
    """Measure a teacher on Fashion-MNIST; what takes long is kept in `cache`."""
    model = load_model(folder, input_size=input_size)
    train, test = fashion(images)
    traced = [ModelInputs(of_class(train, label, TRACED), model, "") for label in range(len(LABELS))]
    cache.mkdir(parents=True, exist_ok=True)
    graph = cache / "model.onnx"
    if not graph.is_file():
        export_onnx(model.module, model.example_inputs(2, seed=0), graph)
    neurons = map_neurons(model.module, graph)
    coverage, contributions = _counted(cache, neurons, traced), _traced(cache, model, neurons, traced)
    gradients = _gradients(model, [_tensor(inputs, 0, TRACED) for inputs in traced])
    means = [Compensation.measure(model, [_tensor(inputs, 0, TRACED)]) for inputs in traced]
    tested = [ModelInputs(of_class(test, label, TESTED), model, "") for label in range(len(LABELS))]
    tests = torch.stack([_tensor(inputs, 0, TESTED) for inputs in tested])
    return Measures(model, neurons, contributions, gradients, coverage, means, tests)


def _tensor(inputs: ModelInputs, start: int, stop: int) -> Tensor:
    return torch.from_numpy(next(iter(inputs.batch(start, stop).values())))


def _gradients(model: Model, images: Sequence[Tensor]) -> dict[str, np.ndarray]:
    """Weight times gradient, squared, sample by sample: where SeaM's scores may start (`slice.start: gradient`)."""
    model.module.eval()
    named = dict(model.module.named_parameters())
    found = {name: np.zeros((len(images), *parameter.shape), np.float32) for name, parameter in named.items()}
    for label, batch in enumerate(images):
        for image in batch:
            loss = torch.nn.functional.cross_entropy(
                model.forward({"pixel_values": image[None]}), torch.tensor([label])
            )
            each = torch.autograd.grad(loss, list(named.values()))
            for (name, parameter), gradient in zip(named.items(), each, strict=True):
                found[name][label] += (parameter.detach() * gradient).square().numpy()
    return found


def _counted(cache: Path, neurons: NeuronMap, traced: Sequence[ModelInputs]) -> dict[str, np.ndarray]:
    path = cache / "coverage.safetensors"
    if not path.is_file():
        each = [profile(cache / "model.onnx", neurons, inputs, NC, batch_size=TRACED).counts for inputs in traced]
        save_file({name: np.stack([counts[name] for counts in each]) for name in each[0]}, path)
    return load_file(path)


def _traced(
    cache: Path, model: Model, neurons: NeuronMap, traced: Sequence[ModelInputs]
) -> dict[str, dict[str, np.ndarray]]:
    """Sums of |CONTRIB| over each class's images, from their own class, against the means of all classes."""
    example = {name: tensor.numpy() for name, tensor in model.example_inputs(2, seed=0).items()}
    network = Network.of(fold(onnx.load(cache / "model.onnx")), example)
    names = Names.of(network.flow, neurons)
    whole = take_means(network, {0: (inputs.batch(0, TRACED) for inputs in traced)}, threads=1)
    found = {}
    for rule, selection in SELECTIONS.items():
        path = cache / f"contributions-{rule}.safetensors"
        if not path.is_file():
            means = whole.zeros() if rule == "path" else whole
            each = []
            for label, inputs in enumerate(traced):
                split = inputs.split.at(np.arange(RELEASED if rule == "released" else TRACED))
                result = trace(
                    network,
                    ModelInputs(split, model, ""),
                    means,
                    selection,
                    target=label,
                    neurons=False,
                    synapses=False,
                    magnitudes=True,
                    threads=1,
                )
                each.append(names.by_parameter(network.flow, result.magnitudes))
                print(f"traced {rule}, {LABELS[label]}", flush=True)
            save_file({name: np.stack([one[name] for one in each]).astype(np.int32) for name in each[0]}, path)
        found[rule] = load_file(path)
    return found

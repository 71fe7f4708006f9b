"""A third kind of inputs, defined here alone: training, measuring, profiling, searching and mixing work with it.

Inputs are lists of numbers of any length; a network reads them padded, with their lengths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hubslice.ancestry.mixing import mix
from hubslice.artefacts.profile import NC
from hubslice.core.errors import InputError
from hubslice.core.progress import SILENT
from hubslice.graph.export import export_onnx
from hubslice.graph.neuron_map import map_neurons
from hubslice.modality.modality import Encoded, Held, Modality
from hubslice.models.base import Model
from hubslice.models.head import Names
from hubslice.profiling.coverage import profile
from hubslice.recipe.schema import TrainParams
from hubslice.recipe.seam import SeamParams
from hubslice.run.steps.inputs import ModelInputs
from hubslice.slicing.gates import WeightGates
from hubslice.slicing.seam import search
from hubslice.task.table import Table
from hubslice.task.task import Split
from hubslice.training.batches import EpochBatches, TrainingSamples, loader_of
from hubslice.training.loop import finetune
from hubslice.training.predict import accuracy, predict
from hubslice.verbs.verify.repredicting import repredict

CPU = torch.device("cpu")
LONGEST = 6
PARAMS = TrainParams(epochs=12, batch_size=16, lr=0.1, augment="none")


@dataclass(frozen=True)
class Numbers(Modality[list[float]]):
    """Lists of numbers."""

    one: ClassVar[str] = "list"
    many: ClassVar[str] = "lists"

    def read(self, given: object) -> Iterator[list[float]]:
        if not isinstance(given, list):
            raise InputError("this is no list", hint="give one")
        yield from given if isinstance(given[0], list) else [given]

    def encode(self, items: Sequence[list[float]]) -> Encoded:
        values = torch.zeros(len(items), LONGEST)
        for row, item in zip(values, items, strict=True):
            row[: len(item)] = torch.tensor(item)
        return {"values": values, "sizes": torch.tensor([len(item) for item in items])}

    def augment(self, item: list[float], params: TrainParams, rng: np.random.Generator) -> Encoded:
        return self.encode([[value + rng.normal(0, 0.01) for value in item]])

    def inputs(self, encoded: Encoded) -> dict[str, Tensor]:
        return {"values": encoded["values"], "sizes": encoded["sizes"].float()[:, None]}

    def example(self, samples: int, seed: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(seed)
        return self.inputs(self.encode([rng.normal(0, 1, 3).tolist() for _ in range(samples)]))

    def join(self, parts: Sequence[Encoded]) -> Encoded:
        return {name: torch.cat([part[name] for part in parts]) for name in ("values", "sizes")}


class Network(nn.Module):
    """Tells whether the mean is positive."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(LONGEST, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, values: Tensor, sizes: Tensor) -> Tensor:
        return cast(Tensor, self.head(torch.relu(self.body(values / sizes))))


class NumbersModel(Model):
    """The network as a model of a library."""

    library = "numbers"

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        super().__init__(Network(), architecture="numbers", labels=("no", "yes"), preprocessing=None)

    @property
    def modality(self) -> Modality[Any]:
        return Numbers()

    def _find_classifier(self) -> Names:
        return Names(("head",), frozenset({"head.weight", "head.bias"}))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return cast(Tensor, self.module(**inputs))

    def _put_classifier(self, labels: tuple[str, ...], seed: int) -> None:
        raise NotImplementedError

    def fresh(self, seed: int) -> Model:
        return NumbersModel(seed)

    def save_config(self, folder: Path) -> None:
        raise NotImplementedError


class Lists:
    """As much of a `Table` as a split needs."""

    def __init__(self, lists: list[list[float]]) -> None:
        self.lists = lists

    def item(self, row: int) -> list[float]:
        return self.lists[int(row)]


def split(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    lists = [rng.normal(0, 1, rng.integers(1, LONGEST + 1)).tolist() for _ in range(count)]
    targets = np.array([int(np.mean(each) > 0) for each in lists])
    return Split(cast(Table, Lists(lists)), np.arange(count), targets)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> NumbersModel:
    model = NumbersModel(0)
    checkpoint = tmp_path_factory.mktemp("numbers") / "checkpoint"
    arguments: dict[str, Any] = {"seed": 0, "device": CPU, "checkpoint": checkpoint, "reporter": SILENT, "label": ""}
    history = finetune(model, split(200, 1), split(60, 2), PARAMS, **arguments)
    assert history.validation.value is not None
    assert history.validation.value > 0.9
    return model


def test_it_is_measured_and_asked(trained: NumbersModel) -> None:
    test = split(70, 3)
    assert accuracy(trained, test, device=CPU).value == pytest.approx(0.95, abs=0.05)
    assert trained.predict([[1.0, 2.0], [-1.0]]).labels == ("yes", "no")
    encoded = test.encoded(0, len(test), trained.modality)
    stored = predict(trained, test, device=CPU).argmax(1).numpy()
    assert repredict(trained, encoded, stored, np.arange(len(test)), CPU).differences == []


def test_coverage_is_counted_in_its_graph(trained: NumbersModel, tmp_path: Path) -> None:
    export_onnx(trained.module, trained.example_inputs(2, 0), tmp_path / "model.onnx")
    neurons = map_neurons(trained.module, tmp_path / "model.onnx")
    found = profile(tmp_path / "model.onnx", neurons, ModelInputs(split(40, 4), trained, "numbers"), NC)
    assert found.samples == 40
    assert found.counts


def test_its_weights_are_searched(trained: NumbersModel, tmp_path: Path) -> None:
    model = NumbersModel(0)
    model.module.load_state_dict(trained.module.state_dict())
    order = EpochBatches(128, 16, 0)
    loader = loader_of(TrainingSamples(split(128, 5), model.modality, PARAMS, 0), order, PARAMS, CPU)

    def batches(epoch: int) -> Iterable[tuple[Encoded, Tensor]]:
        order.epoch = epoch
        return iter(loader)

    masks, _ = search(
        model,
        WeightGates(model.module, ["body.weight"]),
        SeamParams(epochs=2, head_epochs=1),
        batches=batches,
        validate=lambda: accuracy(model, split(60, 6), device=CPU),
        steps=order.steps,
        seed=0,
        checkpoint=tmp_path / "search",
        reporter=SILENT,
    )
    assert masks["body.weight"].shape == (8, LONGEST)


def test_it_is_mixed_with_a_teacher(trained: NumbersModel) -> None:
    samples = Held(split(50, 7).encoded(0, 50, trained.modality))
    teacher = {name: tensor.numpy() for name, tensor in NumbersModel(0).module.state_dict().items()}
    mixture, answers = mix(trained, teacher, samples, 0.95, CPU)
    assert answers.shape[1] == 50
    assert mixture.inputs == 50

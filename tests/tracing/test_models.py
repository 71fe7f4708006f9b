"""Networks of timm and transformers: every layer's synapses under their parameter's name, in its shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from hubslice.core.errors import RuleError
from hubslice.graph.export import export_onnx
from hubslice.graph.folding import fold
from hubslice.tracing.engine import trace
from hubslice.tracing.means import take_means
from hubslice.tracing.names import Names
from hubslice.tracing.network import Arrays, Network
from hubslice.tracing.selection import Selection
from tests.graph.architectures import Architecture, exported, find

pytestmark = pytest.mark.slow

QUICK = ["test_vit", "test_efficientnet"]
SLOW = ["test_resnet", "mobilenetv3_small_100", "swin_tiny_patch4_window7_224", "hf-bert"]
# Their operators are those of the others: depthwise convolutions, layer normalisation, attention.
DEEP = ["convnext_atto", "hf-vit"]
TABLE = [pytest.param(find(name), 2, id=name) for name in QUICK]
TABLE += [pytest.param(find(name), 1, id=name, marks=pytest.mark.slow) for name in SLOW]
TABLE += [pytest.param(find(name), 1, id=name, marks=pytest.mark.deep) for name in DEEP]


EVERY = Selection(theta=0)  # in networks at random, residual branches are too weak for more


class UserInputs:
    def __init__(self, inputs: Arrays) -> None:
        self.inputs = inputs

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def batch(self, start: int, stop: int) -> Arrays:
        return {name: array[start:stop] for name, array in self.inputs.items()}


@pytest.mark.parametrize(("architecture", "samples"), TABLE)
def test_every_layer_takes_part(
    architecture: Architecture, samples: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    case = exported(architecture, tmp_path_factory)
    example, data = ({name: tensor.numpy() for name, tensor in case.inputs(n).items()} for n in (2, 5))
    inputs = {name: array[:samples] for name, array in example.items()}
    network = Network.of(fold(onnx.load(case.path)), example)
    names = Names.of(network.flow, case.neurons)
    means = take_means(network, {0: [data]})
    found = trace(network, UserInputs(inputs), means, EVERY, workers=2)
    shapes = {name: tuple(parameter.shape) for name, parameter in case.module.named_parameters()}
    assert {names.parameter[op.name] for op in network.flow.layers} == {
        layer.parameter for layer in case.neurons.layers
    }
    for op in network.flow.layers:
        synapses = names.synapses(op, found.synapses[op.name])
        assert synapses.shape == shapes[names.parameter[op.name]]
        assert synapses.any(), op.name
        layer = found.layers[op.name]
        assert layer.live.all(), op.name
        assert layer.channels.shape == (samples, next(x.out_channels for x in case.neurons.layers if x.node == op.name))
        assert layer.places.shape[0] == layer.top_places.shape[0] == samples
    for name in network.flow.leaves:
        assert any(found.leaves[leaf].any() for leaf in network.flow.leaves), name
    if samples == 1:
        return
    single = trace(network, UserInputs({k: v[:1] for k, v in inputs.items()}), means, EVERY)
    for name, array in single.leaves.items():  # samples do not see each other
        assert np.mean(array[0] == found.leaves[name][0]) > 0.99


class Mixing(nn.Module):
    """Attention from sample to sample, as timm's CSATv2 has it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        found = self.fc(x)
        answers: Tensor = (found @ found.T).softmax(-1) @ found
        return answers


class Running(nn.Module):
    """Sums so far, for which there is no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        answers: Tensor = self.fc(x.cumsum(1))
        return answers


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (Running(), r"no rule for the operator CumSum \(node"),
        (Mixing(), r"MatMul \(node_matmul\) compares the samples of a batch with each other"),
    ],
)
def test_what_cannot_be_explained_stops_with_the_operators_name(module: nn.Module, told: str, tmp_path: Path) -> None:
    inputs = {"x": torch.rand(2, 4)}
    export_onnx(module, inputs, tmp_path / "model.onnx")
    with pytest.raises(RuleError, match=told):
        Network.of(fold(onnx.load(tmp_path / "model.onnx")), {name: tensor.numpy() for name, tensor in inputs.items()})

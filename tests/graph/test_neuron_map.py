"""The neuron map on small modules, one difficulty each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, linear

from hubslice.core.errors import RunError
from hubslice.graph.export import export_onnx
from hubslice.graph.neuron_map import NeuronMap, layer_weights, map_neurons


def mapped(module: nn.Module, example: torch.Tensor, path: Path) -> NeuronMap:
    export_onnx(module, {"x": example}, path / "m.onnx")
    return map_neurons(module, path / "m.onnx")


def test_linear_output_is_after_the_bias(tmp_path: Path) -> None:
    neurons = mapped(nn.Sequential(nn.Linear(4, 6), nn.ReLU()), torch.zeros(2, 5, 4), tmp_path)
    (layer,) = neurons.layers
    assert (layer.op, layer.kind, layer.parameter, layer.module) == ("MatMul", "linear", "0.weight", "0")
    assert (layer.out_axis, layer.in_axis, layer.kernel, layer.groups) == (0, 1, (), 1)
    assert (layer.input.name, layer.input.rank, layer.input.channel_axis, layer.input.sample_axis) == ("x", 3, 2, 0)
    assert layer.output.name == "linear"  # the exporter's name for the sum with the bias
    assert not layer.computed
    neurons.save(tmp_path / "map.json")
    assert NeuronMap.load(tmp_path / "map.json") == neurons


def test_grouped_convolution(tmp_path: Path) -> None:
    neurons = mapped(
        nn.Sequential(
            nn.Conv2d(4, 6, (3, 1), groups=2), nn.Conv2d(6, 12, 3, groups=6, padding_mode="circular", padding=1)
        ),
        torch.zeros(2, 4, 8, 8),
        tmp_path,
    )
    first, second = neurons.layers
    assert (first.kind, first.groups, first.in_channels, first.out_channels, first.kernel) == ("conv", 2, 4, 6, (3, 1))
    assert (second.kind, second.groups, second.in_channels, second.out_channels) == ("depthwise", 6, 6, 12)
    assert second.input == first.output  # not the padded tensor
    assert len(neurons.tensors) == 3


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.first = nn.Linear(3, 3)
        self.tied = nn.Linear(3, 3)
        self.tied.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(self.conv(x).relu())
        return self.tied(self.first(x.mean((2, 3))))


def test_shared_weights_have_a_layer_for_each_use(tmp_path: Path) -> None:
    neurons = mapped(Shared(), torch.zeros(2, 3, 4, 4), tmp_path)
    assert {name: len(layers) for name, layers in neurons.by_parameter.items()} == {"conv.weight": 2, "first.weight": 2}
    assert neurons.unmapped == ()
    assert layer_weights(Shared()) == ("conv.weight", "first.weight")


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12, bias=False)
        self.up = nn.ConvTranspose1d(4, 4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        x = (q @ k.transpose(1, 2)).softmax(-1) @ v
        return self.up(x.transpose(1, 2))


def test_products_of_activations_are_no_layers(tmp_path: Path) -> None:
    module = Attention()
    export_onnx(module, {"x": torch.zeros(2, 5, 4)}, tmp_path / "m.onnx")
    shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
    neurons = NeuronMap.from_onnx(tmp_path / "m.onnx", shapes)
    assert [layer.parameter for layer in neurons.layers] == ["qkv.weight"]
    assert neurons.unmapped == ("up.weight",)


class Standardised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.packed = nn.Parameter(torch.randn(12, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.conv.weight - self.conv.weight.mean((1, 2, 3), keepdim=True)
        x = conv2d(x, weight, self.conv.bias).mean((2, 3))
        return linear(x, self.packed[:6])


def test_computed_weights_are_mapped_and_pieces_of_weights_are_not(tmp_path: Path) -> None:
    module = Standardised()
    export_onnx(module, {"x": torch.zeros(2, 3, 8, 8)}, tmp_path / "m.onnx")
    shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
    neurons = NeuronMap.from_onnx(tmp_path / "m.onnx", shapes)
    assert [(layer.parameter, layer.computed) for layer in neurons.layers] == [("conv.weight", True)]
    assert neurons.unmapped == ("packed",)


class Transposed(nn.Module):
    """A square weight [in, out], whose axes a guess from its shape would get wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))
        self.pointwise = nn.Parameter(torch.randn(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = conv2d(x, self.pointwise[..., None, None])
        return x.mean((2, 3)) @ self.weight


def test_axes_follow_transposes_and_reshapes(tmp_path: Path) -> None:
    module = Transposed()
    export_onnx(module, {"x": torch.zeros(2, 4, 8, 8)}, tmp_path / "m.onnx")
    neurons = NeuronMap.from_onnx(tmp_path / "m.onnx", {"weight": (4, 4), "pointwise": (4, 4)})
    axes = {layer.parameter: (layer.out_axis, layer.in_axis, layer.kernel) for layer in neurons.layers}
    assert axes == {"weight": (1, 0, ()), "pointwise": (0, 1, (1, 1))}


class Windows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.first = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # [N, 8, 3]
        x = self.inner(x.reshape(-1, 4, 3)).reshape(-1, 8, 3)  # [2 N, 4, 3]
        x = self.first(x.transpose(0, 1))  # [8, N, 3]
        return x.transpose(0, 1)


def test_where_the_samples_are(tmp_path: Path) -> None:
    inner, first = mapped(Windows(), torch.zeros(2, 8, 3), tmp_path).layers
    assert (inner.input.sample_axis, inner.input.windows) == (0, True)
    assert (inner.output.sample_axis, inner.output.windows) == (0, True)
    assert (first.input.sample_axis, first.input.windows) == (1, False)


class BothAxes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.rows = nn.Linear(5, 2)
        self.columns = nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.rows(x).mean((1, 2)) + self.columns(x).mean((2, 3))


def test_one_tensor_read_along_two_axes_has_two_keys(tmp_path: Path) -> None:
    neurons = mapped(BothAxes(), torch.zeros(2, 3, 4, 5), tmp_path)
    keys = {layer.module: layer.input.key for layer in neurons.layers}
    name = neurons.by_parameter["conv.weight"][0].output.name
    assert keys == {"conv": "x", "rows": f"{name}:3", "columns": name}
    assert len({tensor.key for tensor in neurons.tensors}) == len(neurons.tensors)


def test_a_file_that_is_no_map(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text('{"layers": [], "unmapped": [], "more": 1}')
    with pytest.raises(RunError, match="is not a NeuronMap"):
        NeuronMap.load(tmp_path / "map.json")

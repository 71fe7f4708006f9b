"""Export, parity and neuron map over the table of architectures."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from hubslice.graph.layer import Layer
from hubslice.graph.parity import check_parity
from hubslice.graph.session import open_session
from tests.graph.architectures import TABLE, Architecture, Exported, exported

pytestmark = pytest.mark.parametrize("architecture", TABLE)


@pytest.fixture
def case(architecture: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported(architecture, tmp_path_factory)


def test_graph_computes_what_the_module_computes(case: Exported) -> None:
    parity = check_parity(case.module, case.path, case.inputs(3))
    assert parity.samples == 3
    assert 0 <= parity.max_abs_difference <= parity.tolerance


def test_every_convolution_and_linear_weight_is_mapped(case: Exported) -> None:
    parameters = dict(case.module.named_parameters(remove_duplicate=False))
    expected = {
        id(part.weight)
        for part in case.module.modules()
        if isinstance(part, nn.Conv2d | nn.Linear) or type(part).__name__ == "Conv1D"
    }
    mapped = {id(parameters[layer.parameter]) for layer in case.neurons.layers}
    assert expected <= mapped
    assert case.neurons.unmapped == ()


def test_layers_describe_their_parameters(case: Exported) -> None:
    parameters = dict(case.module.named_parameters(remove_duplicate=False))
    for layer in case.neurons.layers:
        shape = parameters[layer.parameter].shape
        assert shape[layer.out_axis] == layer.out_channels == layer.output.channels
        assert shape[layer.in_axis] * layer.groups == layer.in_channels == layer.input.channels
        part = case.module.get_submodule(layer.module)
        if isinstance(part, nn.Conv2d):
            assert layer.kernel == part.kernel_size
            assert layer.groups == part.groups
            assert layer.kind == ("depthwise" if part.groups == part.in_channels > 1 else "conv")
        else:
            assert layer.kind == "linear"


def test_tensors_are_what_the_modules_receive_and_return(case: Exported) -> None:
    seen: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def keep(name: str, given: torch.Tensor, result: torch.Tensor) -> None:
        seen.setdefault(name, []).append((given.clone(), result.clone()))  # activations may work in place

    hooks = [
        part.register_forward_hook(lambda _, args, result, name=name: keep(name, args[0], result))
        for name, part in case.module.named_modules()
        if isinstance(part, nn.Conv2d | nn.Linear) or type(part).__name__ == "Conv1D"
    ]
    inputs = case.inputs(3)
    with torch.inference_mode():
        case.module(**inputs) if len(inputs) > 1 or hasattr(case.module, "config") else case.module(*inputs.values())
    for hook in hooks:
        hook.remove()
    activations = run_with_tensors(onnx.load(case.path), case, inputs)
    compared = 0
    for layer in case.neurons.layers:
        if len(case.neurons.by_parameter[layer.parameter]) > 1 or len(seen.get(layer.module, ())) != 1:
            continue
        for tensor, expected in zip((layer.input, layer.output), seen[layer.module][0], strict=True):
            actual = activations[tensor.name].reshape(expected.shape)  # Conv1D flattens the samples' tokens
            scale = float(expected.abs().max())
            np.testing.assert_allclose(actual, expected.numpy(), atol=1e-4 * scale, rtol=0)
        compared += 1
    assert compared > 0.7 * len(case.neurons.layers)


def test_a_changed_output_channel_changes_that_channel_only(case: Exported) -> None:
    model = onnx.load(case.path)
    inputs = case.inputs(2)
    before = run_with_tensors(model, case, inputs)
    for layer in sample(model, case.neurons.layers):
        channel = layer.out_channels // 2
        after = run_with_tensors(patched(model, layer, channel), case, inputs)[layer.output.name]
        axis = layer.output.channel_axis
        old = np.moveaxis(before[layer.output.name], axis, 0)
        new = np.moveaxis(after, axis, 0)
        changed = [i for i in range(layer.out_channels) if not np.array_equal(old[i], new[i])]
        assert changed == [channel], layer.parameter


def sample(model: Any, layers: tuple[Layer, ...]) -> list[Layer]:
    """The first and last of each kind and grouping, of those whose weight is used once."""
    by_kind: dict[tuple[str, bool], list[Layer]] = {}
    uses = [name for node in model.graph.node for name in node.input]
    for layer in layers:
        if uses.count(layer.parameter) == 1:
            by_kind.setdefault((layer.kind, layer.groups > 1), []).append(layer)
    return [layer for group in by_kind.values() for layer in (group[0], group[-1])]


def patched(model: Any, layer: Layer, channel: int) -> Any:
    """A copy of the graph in which one output channel of the layer's parameter has random values."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = next(t for t in copy.graph.initializer if t.name == layer.parameter)
    weight = np.array(numpy_helper.to_array(tensor))
    view = np.moveaxis(weight, layer.out_axis, 0)
    view[channel] = np.random.default_rng(0).normal(size=view[channel].shape)
    tensor.CopyFrom(numpy_helper.from_array(weight, layer.parameter))
    return copy


def run_with_tensors(model: Any, case: Exported, inputs: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Every tensor of the map by name, from the graph as it is."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    present = {value.name for value in [*copy.graph.input, *copy.graph.output]}
    names = list(dict.fromkeys(tensor.name for tensor in case.neurons.tensors))
    for name in names:
        if name not in present:
            copy.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
    outputs = [name for name in names if name not in arrays]
    session = open_session(copy.SerializeToString(), level="none")
    return {**arrays, **dict(zip(outputs, session.runtime.run(outputs, arrays), strict=True))}

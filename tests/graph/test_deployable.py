"""ONNX graphs for plain ONNX Runtime: folded, in half the bytes if asked, and never wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from hubslice.core.errors import ParityError
from hubslice.graph import deployable as conversion
from hubslice.graph.deployable import HALF_TOLERANCE, write_onnx
from hubslice.models.base import Model
from tests.networks import LABELS, NETWORKS, Body, by_hand, logits

pytestmark = pytest.mark.slow


def test_batch_normalisation_is_folded(tmp_path: Path) -> None:
    model = NETWORKS["test_efficientnet"]()
    write_onnx(model, tmp_path / "model.onnx")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    session = ort.InferenceSession(str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"])
    operators = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert "Conv" in operators
    assert not operators & {"BatchNormalization", "Cast", "Expand"}
    inputs = model.example_inputs(3, 5)["pixel_values"].numpy()
    (given,) = session.run(None, {"pixel_values": inputs})
    expected = logits(model).numpy()
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == list(LABELS)
    assert json.loads(about["preprocessing"])["input_size"] == [3, 64, 64]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_half_is_half_as_large_and_near(name: str, tmp_path: Path) -> None:
    model = NETWORKS[name]()
    parity = write_onnx(model, tmp_path / "half.onnx", half=True)
    assert (tmp_path / "half.onnx").stat().st_size < 0.7 * 4 * model.parameters
    assert 0 < parity.max_abs_difference <= parity.tolerance
    graph = onnx.load(tmp_path / "half.onnx").graph
    float32 = onnx.TensorProto.FLOAT
    assert {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)} == {float32}
    inputs = model.example_inputs(3, 5)
    session = ort.InferenceSession(str(tmp_path / "half.onnx"), providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    expected = logits(model).numpy()
    np.testing.assert_allclose(given, expected, rtol=0, atol=HALF_TOLERANCE * np.abs(expected).max())


def padded() -> Model:
    """Zeros around values that are all negative, and then the largest of each window, as in BiT's stem."""
    model = by_hand(Body(nn.Sequential(nn.ConstantPad2d(1, 0.0), nn.MaxPool2d(3, 2))))
    with torch.no_grad():
        model.module.stem.bias.fill_(-20)
    return model


@pytest.mark.parametrize("half", [False, True])
def test_zeros_around_a_maximum_stay_zeros_in_plain_onnx_runtime(tmp_path: Path, half: bool) -> None:
    model = padded()
    write_onnx(model, tmp_path / "model.onnx", half=half)
    inputs = model.example_inputs(3, 5)
    session = ort.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    expected = logits(model).numpy()
    limit = HALF_TOLERANCE if half else 1e-5
    np.testing.assert_allclose(given, expected, rtol=0, atol=limit * np.abs(expected).max())


def test_the_gate_sees_what_plain_onnx_runtime_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime 1.31 moves a padding with zeros into the maximum behind it: wrong where all values are negative."""
    monkeypatch.setattr(conversion, "_keep_paddings", lambda _: None)
    with pytest.raises(ParityError) as caught:
        write_onnx(padded(), tmp_path / "model.onnx")
    assert "ONNX Runtime's own optimisations" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_computes_something_else_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(graph: conversion.ir.Model) -> None:
        bias = graph.graph.initializers["fc.bias"]
        bias.const_value = conversion.ir.tensor(bias.const_value.numpy() + 1)

    monkeypatch.setattr(conversion.optimizer, "optimize", spoil)
    with pytest.raises(ParityError, match="differs from PyTorch"):
        write_onnx(by_hand(Body(nn.ReLU())), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


class Limited(nn.Module):
    """An image within limits that are tensors, several times, as before the projections of Gemma's attention."""

    def __init__(self) -> None:
        super().__init__()
        for name, value in (("low", -0.5), ("high", 0.25), ("none", float("inf"))):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        seen = [torch.clamp(x, self.low, self.high), torch.clamp(x, self.low, self.none), torch.clamp(x, -0.1, 0.1)]
        return torch.cat([*seen, torch.clamp(x, self.low, self.high) * x], 1)


def test_what_is_limited_several_times_keeps_its_limits(tmp_path: Path) -> None:
    model = by_hand(Body(Limited(), features=32))
    write_onnx(model, tmp_path / "model.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert kinds.count("Clip") >= 3
    assert not {"Min", "Max"} & set(kinds)

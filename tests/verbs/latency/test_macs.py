"""Counting multiplications: by hand, and against torch's own counter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hubslice.graph.deployable import write_onnx
from hubslice.graph.export import export_onnx
from hubslice.models.from_architecture import create_model
from hubslice.recipe.schema import Argument, TeacherParams
from hubslice.verbs.latency.macs import count_macs, count_weights, file_bytes
from tests.verbs.latency.graphs import convolution, write

pytestmark = pytest.mark.slow

VIT: dict[str, Argument] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 32,
}
NETS: dict[str, dict[str, Argument]] = {
    "hubslice_vgg": {"widths": (8, 16), "depths": (1, 2)},
    "test_efficientnet": {},
    "transformers:vit": VIT,
}


@pytest.mark.parametrize("name", NETS)
def test_networks_have_the_multiplications_that_torch_counts(name: str, tmp_path: Path) -> None:
    model = create_model(TeacherParams(model=name, weights="random", arguments=NETS[name], input_size=32), 0)
    raw, deployed = tmp_path / "raw.onnx", tmp_path / "deployed.onnx"
    export_onnx(model.module, model.example_inputs(2, 0), raw)
    write_onnx(model, deployed)
    pixels = torch.rand(1, 3, 32, 32)
    # The fused attention kernels of the CPU are not counted by torch.
    with FlopCounterMode(display=False) as counter, torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):
        model.forward({"pixel_values": pixels})
    for graph in (raw, deployed):
        assert count_macs(graph, "pixel_values", (1, 3, 32, 32)) == counter.get_total_flops() // 2
    kinds = {node.op_type for node in onnx.load(deployed).graph.node}
    assert "BatchNormalization" not in kinds


def test_a_convolution_by_hand(tmp_path: Path) -> None:
    graph = convolution(tmp_path / "c.onnx")
    assert count_macs(graph, "x", (1, 3, 16, 16)) == 16 * 16 * 4 * 3 * 9
    free = convolution(tmp_path / "f.onnx", ("batch", 3, "height", "width"))
    assert count_macs(free, "x", (5, 3, 8, 6)) == 8 * 6 * 4 * 3 * 9
    assert count_weights(graph) == 4 * 3 * 9
    assert file_bytes(graph) == graph.stat().st_size


@pytest.mark.parametrize(
    ("node", "macs"),
    [
        (helper.make_node("ConvTranspose", ["x", "up"], ["y"], strides=[2, 2]), 3 * 16 * 16 * 5 * 4),
        (helper.make_node("MatMul", ["x", "last"], ["y"]), 3 * 16 * 16 * 7),
        (helper.make_node("Einsum", ["x", "last"], ["y"], equation="nchw,wk->nchk"), 3 * 16 * 16 * 7),
        (helper.make_node("Relu", ["x"], ["y"]), 0),
    ],
    ids=lambda given: given.op_type if isinstance(given, onnx.NodeProto) else "",
)
def test_operators_by_hand(node: onnx.NodeProto, macs: int, tmp_path: Path) -> None:
    weights = {"up": (3, 5, 2, 2), "last": (16, 7)}
    tensors = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()]
    inputs = [("x", TensorProto.FLOAT, ("n", 3, 16, 16))]
    graph = write(tmp_path / "g.onnx", [node], inputs, ("y", ("a", "b", "c", "d")), tensors)
    assert count_macs(graph, "x", (1, 3, 16, 16)) == macs


def test_what_a_shape_does_not_tell_is_not_guessed(tmp_path: Path) -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["i"]), helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT)]
    nodes.append(helper.make_node("MatMul", ["f", "f"], ["y"]))
    graph = write(tmp_path / "g.onnx", nodes, [("x", TensorProto.FLOAT, ("n", 3, 4, 4))], ("y", ("a", "b")))
    assert count_macs(graph, "x", (1, 3, 4, 4)) is None


def test_weights_in_a_file_beside_the_graph_count(tmp_path: Path) -> None:
    path = convolution(tmp_path / "c.onnx")
    graph = onnx.load(path)
    onnx.save(graph, tmp_path / "d.onnx", save_as_external_data=True, location="d.data", size_threshold=0)
    assert file_bytes(tmp_path / "d.onnx") == sum((tmp_path / name).stat().st_size for name in ("d.onnx", "d.data"))
    assert count_weights(tmp_path / "d.onnx") == 4 * 3 * 9

"""Small ONNX graphs, written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Dims = Sequence[int | str]


def convolution(path: Path, shape: Dims = ("batch", 3, 16, 16)) -> Path:
    """A convolution of 4 kernels of 3 x 3 over an input of this shape, padded."""
    weights = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    return write(path, [node], [("x", TensorProto.FLOAT, shape)], ("y", ("n", 4, "h", "w")), [weights])


def write(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[tuple[str, int, Dims]],
    output: tuple[str, Dims],
    weights: Sequence[onnx.TensorProto] = (),
) -> Path:
    """A graph of one output, float32."""
    given = [helper.make_tensor_value_info(name, kind, list(shape)) for name, kind, shape in inputs]
    made = [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, list(output[1]))]
    graph = helper.make_graph(list(nodes), "hand", given, made, list(weights))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path

"""Operators that compute nothing that is used, put between the others to hide them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, shape_inference
from torch import nn

SHARE = 0.25  # of the modules, or nodes, that one follows
SIZES = (16, 256)  # least and largest side of the matrices that are multiplied
KINDS = ("Sigmoid", "Exp", "Abs", "Softplus")


@contextmanager
def padded_module(module: nn.Module, seed: int) -> Iterator[None]:
    """Within, matrix products of random size follow random layers: others at every call."""
    rng = np.random.default_rng(seed)

    def pad(*_: Any) -> None:
        if rng.random() < SHARE:
            side = int(np.exp(rng.uniform(*np.log(SIZES))))
            torch.mm(torch.ones(side, side), torch.ones(side, side))

    leaves = [part for part in module.modules() if not list(part.children())]
    handles = [leaf.register_forward_hook(pad) for leaf in leaves]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def pad_graph(graph: Path, padded: Path, seed: int) -> None:
    """Write the graph with functions of random tensors that a further output sums up: the same at every call.

    Without that output ONNX Runtime would leave them out.
    """
    rng = np.random.default_rng(seed)
    model = shape_inference.infer_shapes(onnx.load(graph))
    floats = {
        value.name for value in model.graph.value_info if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    nodes, sums = [], []
    for node in model.graph.node:
        nodes.append(node)
        if node.output[0] in floats and rng.random() < SHARE:
            name = f"padding.{len(sums)}"
            nodes.append(helper.make_node(str(rng.choice(KINDS)), [node.output[0]], [name]))
            nodes.append(helper.make_node("ReduceMax", [name], [f"{name}.sum"], keepdims=0))
            sums.append(f"{name}.sum")
    nodes.append(helper.make_node("Sum", sums, ["padding"]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.output.append(helper.make_tensor_value_info("padding", onnx.TensorProto.FLOAT, []))
    padded.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, padded)
